-- +goose Up
INSERT INTO orders (user_id, total) SELECT i % 1000, i FROM generate_series(1, 200000) AS i;
SELECT pg_sleep(1.2);

-- +goose Down
DELETE FROM orders;
