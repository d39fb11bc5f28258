-- +goose Up
CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint NOT NULL, total bigint NOT NULL);

-- +goose Down
DROP TABLE orders;
