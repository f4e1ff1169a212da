-- When a host may be asked next, and how many requests each process may have under way there.
CREATE TABLE mailscan.host (
    host text COLLATE "C" PRIMARY KEY,
    next timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE mailscan.host_place (
    host text COLLATE "C" NOT NULL,
    node text NOT NULL,
    places bigint NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (host, node)
) WITH (fillfactor = 50);
