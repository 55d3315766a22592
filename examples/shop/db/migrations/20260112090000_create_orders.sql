-- migrate:up
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id bigint NOT NULL REFERENCES products,
    placed_at timestamptz NOT NULL DEFAULT now(),
    total_cents integer NOT NULL DEFAULT 0
);

CREATE FUNCTION fill_total() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT price_cents INTO NEW.total_cents FROM products WHERE id = NEW.product_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER fill_total BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fill_total();

-- migrate:down
DROP TABLE orders;
DROP FUNCTION fill_total();
