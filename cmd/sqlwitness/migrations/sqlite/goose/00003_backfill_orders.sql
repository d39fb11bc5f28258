-- +goose Up
INSERT INTO orders (user_id, total)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
SELECT i % 1000, i FROM n;

-- +goose Down
DELETE FROM orders;
