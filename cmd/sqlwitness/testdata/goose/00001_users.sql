-- +goose Up
CREATE TABLE users (id integer PRIMARY KEY);
-- +goose Down
DROP TABLE users;
