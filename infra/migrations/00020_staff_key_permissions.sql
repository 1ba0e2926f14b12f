-- +goose Up
-- A staff key may be limited to some permissions, so that a product's own backend
-- can hold one that only makes organizations.
ALTER TABLE staff_key ADD permissions text[] CHECK (cardinality(permissions) > 0);
COMMENT ON COLUMN staff_key.permissions IS 'What it may do, in every organization. NULL: everything, also what later versions add.';
