-- +goose Up
ALTER TABLE users ADD COLUMN name varchar(200);
ALTER TABLE userz ADD COLUMN phone varchar(30) DEFAULT '+49 30 1234567';

-- +goose Down
ALTER TABLE users DROP COLUMN name;
