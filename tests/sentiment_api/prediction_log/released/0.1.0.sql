-- sentiment_api.prediction_log.shipper.Shipper._ping
select 1

-- sentiment_api.prediction_log.shipper._Insert
INSERT INTO predictions (prediction_id, created_at, request_id, idempotency_key, source, api_key_name, product_id, event_timestamp, text, text_hash, metadata, descriptors, descriptors_version, tokens, truncated, logits, label, score, probabilities, embedding, model_name, model_version, engine, latency_ms) VALUES ($1::UUID, $2::TIMESTAMP WITH TIME ZONE, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::VARCHAR, $7::VARCHAR, $8::TIMESTAMP WITH TIME ZONE, $9::VARCHAR, $10::BYTEA, $11::JSONB, $12::JSONB, $13::SMALLINT, $14::INTEGER, $15::BOOLEAN, $16::REAL[], $17::VARCHAR, $18::FLOAT, $19::JSONB, $20::REAL[], $21::VARCHAR, $22::VARCHAR, $23::VARCHAR, $24::FLOAT) ON CONFLICT DO NOTHING

-- sentiment_api.prediction_log.shipper._Insert
INSERT INTO feedback (feedback_id, prediction_id, received_at, rating, label, request_id) VALUES ($1::UUID, $2::UUID, $3::TIMESTAMP WITH TIME ZONE, $4::SMALLINT, $5::VARCHAR, $6::VARCHAR) ON CONFLICT DO NOTHING

-- sentiment_api.database.connection.check_schema
select version_num from alembic_version

-- sentiment_api.database.partitions.make_months
set local lock_timeout = '3s'

-- sentiment_api.database.partitions.make_months
select pg_advisory_xact_lock($1)

-- sentiment_api.database.partitions.make_months
select to_regclass($1)

-- sentiment_api.database.partitions.make_months
create table predictions_2025_10 (like predictions including defaults including constraints)

-- sentiment_api.database.partitions.make_months
alter table predictions attach partition predictions_2025_10 for values from ('01999d11-9800-0000-0000-000000000000') to ('019a3cb6-bc00-0000-0000-000000000000')

-- sentiment_api.database.partitions.make_months
create table predictions_2025_11 (like predictions including defaults including constraints)

-- sentiment_api.database.partitions.make_months
alter table predictions attach partition predictions_2025_11 for values from ('019a3cb6-bc00-0000-0000-000000000000') to ('019ad735-8400-0000-0000-000000000000')

-- drift_jobs.results.lock
select pg_advisory_xact_lock(hashtextextended($1, 0))

-- drift_jobs.predictions.read_predictions
SELECT predictions.prediction_id, predictions.created_at, predictions.model_name, predictions.model_version, predictions.descriptors, predictions.descriptors_version, predictions.logits, predictions.label, predictions.probabilities, predictions.embedding, latest_feedback.rating, latest_feedback.label AS given_label
FROM predictions LEFT OUTER JOIN LATERAL (SELECT feedback.rating AS rating, feedback.label AS label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $1::INTEGER) AS latest_feedback ON true
WHERE predictions.prediction_id >= $2::UUID AND predictions.prediction_id < $3::UUID AND predictions.source IN ($7::VARCHAR, $8::VARCHAR, $9::VARCHAR) AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.prediction_id >= $4::UUID AND predictions.prediction_id < $5::UUID AND predictions.source IN ($10::VARCHAR, $11::VARCHAR, $12::VARCHAR) AND predictions.idempotency_key IS NOT NULL) AS keyed
WHERE keyed.previous > keyed.created_at - $6::INTERVAL)) ORDER BY predictions.prediction_id

-- drift_jobs.results.store_run
INSERT INTO drift_runs (run_id, revision, window_start, window_end, reference, model_name, model_version, started_at, finished_at, n_current, n_reference, verdict, reason, report_html, report_json) VALUES ($1::UUID, $2::INTEGER, $3::TIMESTAMP WITH TIME ZONE, $4::TIMESTAMP WITH TIME ZONE, $5::VARCHAR, $6::VARCHAR, $7::VARCHAR, $8::TIMESTAMP WITH TIME ZONE, $9::TIMESTAMP WITH TIME ZONE, $10::INTEGER, $11::INTEGER, $12::VARCHAR, $13::VARCHAR, $14::BYTEA, $15::BYTEA)

-- drift_jobs.results.store_run
INSERT INTO drift_metrics (run_id, metric, family, value, reference_value, effect, p_value, adjusted_p, floor, threshold, direction, verdict, n) VALUES ($1::UUID, $2::VARCHAR, $3::VARCHAR, $4::FLOAT, $5::FLOAT, $6::FLOAT, $7::FLOAT, $8::FLOAT, $9::FLOAT, $10::FLOAT, $11::VARCHAR, $12::VARCHAR, $13::INTEGER)

-- drift_jobs.results.latest_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason
FROM drift_runs
WHERE drift_runs.window_start = $1::TIMESTAMP WITH TIME ZONE AND drift_runs.window_end = $2::TIMESTAMP WITH TIME ZONE AND drift_runs.model_version = $3::VARCHAR AND drift_runs.reference = $4::VARCHAR ORDER BY drift_runs.revision DESC
LIMIT $5::INTEGER

-- drift_jobs.results.latest_run
SELECT drift_metrics.metric, drift_metrics.family, drift_metrics.value, drift_metrics.reference_value, drift_metrics.effect, drift_metrics.p_value, drift_metrics.adjusted_p, drift_metrics.floor, drift_metrics.threshold, drift_metrics.direction, drift_metrics.verdict, drift_metrics.n
FROM drift_metrics
WHERE drift_metrics.run_id = $1::UUID ORDER BY drift_metrics.family DESC, drift_metrics.metric

-- drift_jobs.results.list_runs
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason
FROM drift_runs ORDER BY drift_runs.started_at DESC
LIMIT $1::INTEGER

-- drift_jobs.results.read_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID

-- drift_jobs.results.read_html
SELECT drift_runs.report_html
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID

-- sentiment_api.database.queries.find_prediction
SELECT predictions.prediction_id, predictions.created_at, predictions.request_id, predictions.idempotency_key, predictions.source, predictions.api_key_name, predictions.product_id, predictions.event_timestamp, predictions.text, predictions.text_hash, predictions.metadata, predictions.descriptors, predictions.descriptors_version, predictions.tokens, predictions.truncated, predictions.logits, predictions.label, predictions.score, predictions.probabilities, predictions.embedding, predictions.model_name, predictions.model_version, predictions.engine, predictions.latency_ms
FROM predictions
WHERE predictions.prediction_id = $1::UUID

-- sentiment_api.database.queries.has_prediction
SELECT predictions.prediction_id
FROM predictions
WHERE predictions.prediction_id = $1::UUID

-- sentiment_api.database.queries.find_feedback
SELECT feedback.feedback_id, feedback.prediction_id, feedback.received_at, feedback.rating, feedback.label, feedback.request_id
FROM feedback
WHERE feedback.prediction_id = $1::UUID ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $2::INTEGER

-- sentiment_api.database.queries.latest_drift_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.report_html, drift_runs.report_json
FROM drift_runs
WHERE drift_runs.model_version = $1::VARCHAR ORDER BY drift_runs.finished_at DESC
LIMIT $2::INTEGER

-- sentiment_api.database.queries.latest_drift_run
SELECT drift_metrics.run_id, drift_metrics.metric, drift_metrics.family, drift_metrics.value, drift_metrics.reference_value, drift_metrics.effect, drift_metrics.p_value, drift_metrics.adjusted_p, drift_metrics.floor, drift_metrics.threshold, drift_metrics.direction, drift_metrics.verdict, drift_metrics.n
FROM drift_metrics
WHERE drift_metrics.run_id = $1::UUID
