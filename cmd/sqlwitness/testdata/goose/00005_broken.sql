-- +goose Up
CREATE TABLE gone (id integer PRIMARY KEY);
INSERT INTO nowhere VALUES ('a value');
-- +goose Down
