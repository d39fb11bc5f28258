-- +goose Up
CREATE TABLE orders (id integer PRIMARY KEY, user_id bigint NOT NULL, total bigint NOT NULL);

-- +goose Down
DROP TABLE orders;
