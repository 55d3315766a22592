import pytest

from startupctl.quoting import clickhouse_name, clickhouse_text, quote_name, quote_text


@pytest.mark.parametrize(
    ("quote", "text", "sql"),
    [
        (quote_name, 'a"b', '"a""b"'),
        (quote_text, "it's", "'it''s'"),
        (quote_text, "a\\b", "'a\\b'"),
        (quote_text, "a\0b", "'ab'"),
        (clickhouse_name, "a`b\\", "`a\\`b\\\\`"),
        (clickhouse_text, "it's \\", "'it\\'s \\\\'"),
    ],
)
def test_nothing_ends_a_quoted_name_or_text_before_its_end(quote, text, sql):
    assert quote(text) == sql
