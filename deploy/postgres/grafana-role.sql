-- The role that Grafana reads with: the drift tables, which spools there are, and nothing else. Whoever sees a dashboard
-- can send statements of their own through its data source, so the role must not reach the texts in `predictions`. How
-- large tables are anybody may ask. May be run again, to change the password for instance.
\set ON_ERROR_STOP on
\getenv password GRAFANA_DATABASE_PASSWORD

BEGIN;
SELECT 'CREATE ROLE grafana' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') \gexec
ALTER ROLE grafana LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
ALTER ROLE grafana SET statement_timeout = '30s';
GRANT SELECT ON drift_runs, drift_metrics, spools TO grafana;
COMMIT;
