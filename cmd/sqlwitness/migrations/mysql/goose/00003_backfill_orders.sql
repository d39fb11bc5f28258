-- +goose Up
INSERT INTO orders (user_id, total) VALUES (1, 10), (2, 20);
SELECT SLEEP(1.2);

-- +goose Down
DELETE FROM orders;
