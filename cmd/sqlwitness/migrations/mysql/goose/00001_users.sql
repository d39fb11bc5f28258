-- +goose Up
CREATE TABLE users (id bigint AUTO_INCREMENT PRIMARY KEY, email varchar(200) NOT NULL);

-- +goose Down
DROP TABLE users;
