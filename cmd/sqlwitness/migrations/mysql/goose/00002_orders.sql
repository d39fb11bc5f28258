-- +goose Up
CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, user_id bigint NOT NULL, total bigint NOT NULL);

-- +goose Down
DROP TABLE orders;
