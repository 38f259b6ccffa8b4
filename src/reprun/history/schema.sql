-- The history of runs: history.sqlite beside the results. docs/history.md explains every table.
-- A statement ends with a semicolon at the end of a line.

CREATE TABLE cells (
  id INTEGER PRIMARY KEY,
  analysis TEXT NOT NULL,
  variant TEXT NOT NULL,
  dataset TEXT NOT NULL,
  tier TEXT NOT NULL,
  UNIQUE (analysis, variant, dataset, tier)
);

CREATE TABLE factor_sets (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  factors_digest TEXT NOT NULL
);

CREATE TABLE factors (
  factor_set INTEGER NOT NULL REFERENCES factor_sets (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (factor_set, kind, name)
) WITHOUT ROWID;

CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  finished TEXT NOT NULL,
  wall_seconds REAL NOT NULL,
  factor_set INTEGER NOT NULL REFERENCES factor_sets (id)
);

CREATE INDEX records_of_factor_sets ON records (factor_set);

CREATE TABLE steps (
  record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  seconds REAL NOT NULL,
  cpu_seconds REAL,
  max_rss_bytes INTEGER,
  kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
  PRIMARY KEY (record, position)
) WITHOUT ROWID;

CREATE TABLE object_sets (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  objects_digest TEXT NOT NULL,
  left_out INTEGER NOT NULL
);

CREATE TABLE objects (
  object_set INTEGER NOT NULL REFERENCES object_sets (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  verdict TEXT NOT NULL,
  passes INTEGER NOT NULL CHECK (passes IN (0, 1)),
  content_hash TEXT,
  largest_deviation REAL,
  largest_pull REAL,
  PRIMARY KEY (object_set, position)
) WITHOUT ROWID;

CREATE TABLE reports (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  verdict TEXT NOT NULL CHECK (verdict IN ('reproduced', 'not reproduced', 'no reference')),
  sentence TEXT NOT NULL,
  object_set INTEGER NOT NULL REFERENCES object_sets (id)
);

CREATE INDEX reports_of_object_sets ON reports (object_set);

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,
  at TEXT NOT NULL,
  cell INTEGER NOT NULL REFERENCES cells (id),
  image TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('compared', 'nothing to compare', 'failed', 'interrupted', 'not run')),
  ran INTEGER NOT NULL CHECK (ran IN (0, 1)),
  sentence TEXT NOT NULL,
  record INTEGER REFERENCES records (id),
  report INTEGER REFERENCES reports (id),
  origin TEXT NOT NULL,
  CHECK ((state = 'compared') = (report IS NOT NULL)),
  CHECK (report IS NULL OR record IS NOT NULL)
);

CREATE INDEX runs_of_cells ON runs (cell, at);

CREATE INDEX runs_of_records ON runs (record);

CREATE INDEX runs_of_reports ON runs (report);

CREATE TABLE begun (
  process TEXT NOT NULL,
  at TEXT NOT NULL,
  cell INTEGER NOT NULL REFERENCES cells (id),
  image TEXT NOT NULL,
  PRIMARY KEY (process, at, cell)
) WITHOUT ROWID;

CREATE TABLE packages (
  image TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('wheel', 'debian')),
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  PRIMARY KEY (image, kind, name)
) WITHOUT ROWID;

CREATE TABLE texts (
  digest TEXT PRIMARY KEY,
  bytes BLOB NOT NULL
) WITHOUT ROWID;

CREATE VIEW nights AS
SELECT
  substr(runs.identity, 8, 12) AS run,
  runs.at AS at,
  cells.analysis AS analysis,
  cells.variant AS variant,
  cells.dataset AS dataset,
  cells.tier AS tier,
  runs.image AS image,
  runs.state AS state,
  reports.verdict AS verdict,
  runs.ran AS ran,
  records.wall_seconds AS wall_seconds,
  coalesce(reports.sentence, runs.sentence) AS sentence
FROM runs
JOIN cells ON cells.id = runs.cell
LEFT JOIN records ON records.id = runs.record
LEFT JOIN reports ON reports.id = runs.report;
