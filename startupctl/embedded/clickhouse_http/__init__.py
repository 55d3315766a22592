"""The ClickHouse engine of `chdb` behind the HTTP interface of a ClickHouse server; loopback only, for demo and tests.

It speaks `/ping`, GET (read-only) and POST queries, `query`, `database`, settings and `param_x` as URL arguments, sessions,
formats, raw INSERT data (plain, chunked, gzip, deflate, lz4, zstd), the three ways to authenticate, error numbers and
statuses, summaries, TLS. Not in it: grants, clusters, Keeper, streaming, ending a query when its client goes.
"""
