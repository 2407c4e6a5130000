-- sentiment_api.prediction_log.shipper.Shipper._ping
select 1

-- sentiment_api.prediction_log.storing._Insert
INSERT INTO predictions (prediction_id, created_at, request_id, idempotency_key, source, api_key_name, product_id, event_timestamp, text, text_hash, metadata, descriptors, descriptors_version, tokens, truncated, logits, label, score, probabilities, embedding, model_name, model_version, engine, latency_ms) VALUES ($1::UUID, $2::TIMESTAMP WITH TIME ZONE, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::VARCHAR, $7::VARCHAR, $8::TIMESTAMP WITH TIME ZONE, $9::VARCHAR, $10::BYTEA, $11::JSONB, $12::JSONB, $13::SMALLINT, $14::INTEGER, $15::BOOLEAN, $16::REAL[], $17::VARCHAR, $18::FLOAT, $19::JSONB, $20::REAL[], $21::VARCHAR, $22::VARCHAR, $23::VARCHAR, $24::FLOAT) ON CONFLICT DO NOTHING

-- sentiment_api.prediction_log.storing._Insert
INSERT INTO feedback (feedback_id, prediction_id, received_at, rating, label, request_id) VALUES ($1::UUID, $2::UUID, $3::TIMESTAMP WITH TIME ZONE, $4::SMALLINT, $5::VARCHAR, $6::VARCHAR) ON CONFLICT DO NOTHING

-- sentiment_api.prediction_log.storing._Insert
INSERT INTO shadow_predictions (prediction_id, model_version, created_at, model_name, engine, logits, label, score, probabilities, latency_ms, processor_ms) VALUES ($1::UUID, $2::VARCHAR, $3::TIMESTAMP WITH TIME ZONE, $4::VARCHAR, $5::VARCHAR, $6::REAL[], $7::VARCHAR, $8::FLOAT, $9::JSONB, $10::FLOAT, $11::FLOAT) ON CONFLICT DO NOTHING

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

-- sentiment_api.prediction_log.storing.store
set local idle_in_transaction_session_timeout = '60s'

-- sentiment_api.prediction_log.storing.store
select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'

-- sentiment_api.prediction_log.storing.store
SELECT pg_advisory_xact_lock_shared($1::INTEGER) AS pg_advisory_xact_lock_shared_1

-- sentiment_api.prediction_log.storing.store
SELECT retention.kept_from
FROM retention

-- sentiment_api.prediction_log.storing.store
SELECT tombstones.number, tombstones.prediction_id, tombstones.product_id, tombstones.until, tombstones.created_at
FROM tombstones
WHERE tombstones.prediction_id = ANY ($1::UUID[]) OR tombstones.product_id = ANY ($2::TEXT[])

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

-- sentiment_api.database.queries.select_predictions
SELECT anon_1.prediction_id, anon_1.created_at, anon_1.request_id, anon_1.idempotency_key, anon_1.source, anon_1.api_key_name, anon_1.product_id, anon_1.event_timestamp, anon_1.text, anon_1.text_hash, anon_1.metadata, anon_1.descriptors, anon_1.descriptors_version, anon_1.tokens, anon_1.truncated, anon_1.logits, anon_1.label, anon_1.score, anon_1.probabilities, anon_1.embedding, anon_1.model_name, anon_1.model_version, anon_1.engine, anon_1.latency_ms, anon_2.received_at, anon_2.rating, anon_2.feedback_label
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, predictions.request_id AS request_id, predictions.idempotency_key AS idempotency_key, predictions.source AS source, predictions.api_key_name AS api_key_name, predictions.product_id AS product_id, predictions.event_timestamp AS event_timestamp, predictions.text AS text, predictions.text_hash AS text_hash, predictions.metadata AS metadata, predictions.descriptors AS descriptors, predictions.descriptors_version AS descriptors_version, predictions.tokens AS tokens, predictions.truncated AS truncated, predictions.logits AS logits, predictions.label AS label, predictions.score AS score, predictions.probabilities AS probabilities, predictions.embedding AS embedding, predictions.model_name AS model_name, predictions.model_version AS model_version, predictions.engine AS engine, predictions.latency_ms AS latency_ms
FROM predictions
WHERE predictions.source IN ('api', 'hf', 'v2') ORDER BY predictions.prediction_id DESC
LIMIT $1::INTEGER) AS anon_1 LEFT OUTER JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = anon_1.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $2::INTEGER) AS anon_2 ON true ORDER BY anon_1.prediction_id DESC

-- sentiment_api.database.queries.select_predictions
SELECT anon_1.prediction_id, anon_1.created_at, anon_1.request_id, anon_1.idempotency_key, anon_1.source, anon_1.api_key_name, anon_1.product_id, anon_1.event_timestamp, anon_1.text, anon_1.text_hash, anon_1.metadata, anon_1.descriptors, anon_1.descriptors_version, anon_1.tokens, anon_1.truncated, anon_1.logits, anon_1.label, anon_1.score, anon_1.probabilities, anon_1.embedding, anon_1.model_name, anon_1.model_version, anon_1.engine, anon_1.latency_ms, anon_2.received_at, anon_2.rating, anon_2.feedback_label
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, predictions.request_id AS request_id, predictions.idempotency_key AS idempotency_key, predictions.source AS source, predictions.api_key_name AS api_key_name, predictions.product_id AS product_id, predictions.event_timestamp AS event_timestamp, predictions.text AS text, predictions.text_hash AS text_hash, predictions.metadata AS metadata, predictions.descriptors AS descriptors, predictions.descriptors_version AS descriptors_version, predictions.tokens AS tokens, predictions.truncated AS truncated, predictions.logits AS logits, predictions.label AS label, predictions.score AS score, predictions.probabilities AS probabilities, predictions.embedding AS embedding, predictions.model_name AS model_name, predictions.model_version AS model_version, predictions.engine AS engine, predictions.latency_ms AS latency_ms
FROM predictions
WHERE predictions.source IN ('api', 'hf', 'v2') AND predictions.product_id = $1::VARCHAR AND predictions.label = $2::VARCHAR AND predictions.prediction_id >= $3::UUID AND predictions.prediction_id < $4::UUID AND predictions.prediction_id < $5::UUID ORDER BY predictions.prediction_id DESC
LIMIT $6::INTEGER) AS anon_1 LEFT OUTER JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = anon_1.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $7::INTEGER) AS anon_2 ON true ORDER BY anon_1.prediction_id DESC

-- sentiment_api.database.queries.select_predictions
SELECT anon_1.prediction_id, anon_1.created_at, anon_1.request_id, anon_1.idempotency_key, anon_1.source, anon_1.api_key_name, anon_1.product_id, anon_1.event_timestamp, anon_1.text, anon_1.text_hash, anon_1.metadata, anon_1.descriptors, anon_1.descriptors_version, anon_1.tokens, anon_1.truncated, anon_1.logits, anon_1.label, anon_1.score, anon_1.probabilities, anon_1.embedding, anon_1.model_name, anon_1.model_version, anon_1.engine, anon_1.latency_ms, anon_2.received_at, anon_2.rating, anon_2.feedback_label
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, predictions.request_id AS request_id, predictions.idempotency_key AS idempotency_key, predictions.source AS source, predictions.api_key_name AS api_key_name, predictions.product_id AS product_id, predictions.event_timestamp AS event_timestamp, predictions.text AS text, predictions.text_hash AS text_hash, predictions.metadata AS metadata, predictions.descriptors AS descriptors, predictions.descriptors_version AS descriptors_version, predictions.tokens AS tokens, predictions.truncated AS truncated, predictions.logits AS logits, predictions.label AS label, predictions.score AS score, predictions.probabilities AS probabilities, predictions.embedding AS embedding, predictions.model_name AS model_name, predictions.model_version AS model_version, predictions.engine AS engine, predictions.latency_ms AS latency_ms
FROM predictions
WHERE predictions.source IN ('golden', 'bench', 'console') AND predictions.prediction_id >= $1::UUID AND predictions.prediction_id < $2::UUID AND predictions.prediction_id < $3::UUID ORDER BY predictions.prediction_id DESC
LIMIT $4::INTEGER) AS anon_1 LEFT OUTER JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = anon_1.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $5::INTEGER) AS anon_2 ON true ORDER BY anon_1.prediction_id DESC

-- sentiment_api.database.queries.stream_feedback
SELECT predictions.prediction_id, predictions.text, predictions.product_id, coalesce(predictions.event_timestamp, predictions.created_at) AS moment, anon_1.rating, anon_1.feedback_label AS label
FROM predictions JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $1::INTEGER) AS anon_1 ON true
WHERE predictions.source IN ('api', 'hf', 'v2') ORDER BY predictions.prediction_id

-- sentiment_api.database.shadow_counts.count_shadow
WITH compared AS
(SELECT predictions.created_at AS created_at, predictions.model_version AS live_version, shadow_predictions.model_version AS shadow_version, predictions.label AS live, shadow_predictions.label AS shadow, coalesce(anon_1.feedback_label, CASE WHEN (anon_1.rating = $1::SMALLINT) THEN $2::VARCHAR WHEN (anon_1.rating = $3::SMALLINT) THEN $4::VARCHAR END) AS told
FROM shadow_predictions JOIN predictions ON predictions.prediction_id = shadow_predictions.prediction_id LEFT OUTER JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $5::INTEGER) AS anon_1 ON true
WHERE (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($7::VARCHAR, $8::VARCHAR, $9::VARCHAR) AND predictions.idempotency_key IS NOT NULL) AS keyed
WHERE keyed.previous > keyed.created_at - $6::INTERVAL)))
SELECT compared.live_version, compared.shadow_version, count(*) AS texts, count(*) FILTER (WHERE compared.live = compared.shadow) AS same_label, count(*) FILTER (WHERE compared.told IS NOT NULL) AS judged, count(*) FILTER (WHERE compared.live = compared.told) AS live_right, count(*) FILTER (WHERE compared.shadow = compared.told) AS shadow_right, count(*) FILTER (WHERE compared.live = compared.told AND compared.shadow != compared.told) AS only_live_right, count(*) FILTER (WHERE compared.shadow = compared.told AND compared.live != compared.told) AS only_shadow_right
FROM compared GROUP BY compared.live_version, compared.shadow_version ORDER BY max(compared.created_at) DESC

-- sentiment_api.database.queries.stream_feedback
SELECT predictions.prediction_id, predictions.text, predictions.product_id, coalesce(predictions.event_timestamp, predictions.created_at) AS moment, anon_1.rating, anon_1.feedback_label AS label
FROM predictions JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $1::INTEGER) AS anon_1 ON true
WHERE predictions.source IN ('api', 'hf', 'v2') AND predictions.prediction_id >= $2::UUID AND predictions.prediction_id < $3::UUID ORDER BY predictions.prediction_id

-- sentiment_api.database.shadow_counts.count_shadow
WITH compared AS
(SELECT predictions.created_at AS created_at, predictions.model_version AS live_version, shadow_predictions.model_version AS shadow_version, predictions.label AS live, shadow_predictions.label AS shadow, coalesce(anon_1.feedback_label, CASE WHEN (anon_1.rating = $1::SMALLINT) THEN $2::VARCHAR WHEN (anon_1.rating = $3::SMALLINT) THEN $4::VARCHAR END) AS told
FROM shadow_predictions JOIN predictions ON predictions.prediction_id = shadow_predictions.prediction_id LEFT OUTER JOIN LATERAL (SELECT feedback.received_at AS received_at, feedback.rating AS rating, feedback.label AS feedback_label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $5::INTEGER) AS anon_1 ON true
WHERE predictions.prediction_id >= $6::UUID AND shadow_predictions.prediction_id >= $7::UUID AND predictions.prediction_id < $8::UUID AND shadow_predictions.prediction_id < $9::UUID AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($13::VARCHAR, $14::VARCHAR, $15::VARCHAR) AND predictions.idempotency_key IS NOT NULL AND predictions.prediction_id >= $10::UUID AND predictions.prediction_id < $11::UUID) AS keyed
WHERE keyed.previous > keyed.created_at - $12::INTERVAL)))
SELECT compared.live_version, compared.shadow_version, count(*) AS texts, count(*) FILTER (WHERE compared.live = compared.shadow) AS same_label, count(*) FILTER (WHERE compared.told IS NOT NULL) AS judged, count(*) FILTER (WHERE compared.live = compared.told) AS live_right, count(*) FILTER (WHERE compared.shadow = compared.told) AS shadow_right, count(*) FILTER (WHERE compared.live = compared.told AND compared.shadow != compared.told) AS only_live_right, count(*) FILTER (WHERE compared.shadow = compared.told AND compared.live != compared.told) AS only_shadow_right
FROM compared GROUP BY compared.live_version, compared.shadow_version ORDER BY max(compared.created_at) DESC

-- drift_jobs.storage.results.lock
select pg_try_advisory_xact_lock(hashtextextended($1, 0))

-- drift_jobs.storage.predictions.read_predictions
set local work_mem = '64MB'

-- drift_jobs.storage.predictions.read_predictions
SELECT predictions.prediction_id, predictions.created_at, predictions.product_id, predictions.model_name, predictions.model_version, predictions.descriptors_version, predictions.label, predictions.logits AS logits, predictions.embedding AS embedding, CAST(predictions.descriptors AS TEXT) AS descriptors, CAST(predictions.probabilities AS TEXT) AS probabilities, latest_feedback.rating, latest_feedback.label AS given_label, predictions.product_id AS segment_product
FROM predictions LEFT OUTER JOIN LATERAL (SELECT feedback.rating AS rating, feedback.label AS label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $1::INTEGER) AS latest_feedback ON true
WHERE predictions.prediction_id >= $2::UUID AND predictions.prediction_id < $3::UUID AND predictions.source IN ($7::VARCHAR, $8::VARCHAR, $9::VARCHAR) AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($10::VARCHAR, $11::VARCHAR, $12::VARCHAR) AND predictions.idempotency_key IS NOT NULL AND predictions.prediction_id >= $4::UUID AND predictions.prediction_id < $5::UUID) AS keyed
WHERE keyed.previous > keyed.created_at - $6::INTERVAL)) ORDER BY predictions.prediction_id

-- drift_jobs.storage.predictions.read_predictions
SELECT count(*) AS count_1
FROM predictions
WHERE predictions.prediction_id >= $1::UUID AND predictions.prediction_id < $2::UUID AND predictions.source IN ($7::VARCHAR, $8::VARCHAR, $9::VARCHAR) AND predictions.model_version = $3::VARCHAR AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($10::VARCHAR, $11::VARCHAR, $12::VARCHAR) AND predictions.idempotency_key IS NOT NULL AND predictions.prediction_id >= $4::UUID AND predictions.prediction_id < $5::UUID) AS keyed
WHERE keyed.previous > keyed.created_at - $6::INTERVAL))

-- drift_jobs.storage.predictions.read_predictions
SELECT predictions.prediction_id, predictions.created_at, predictions.product_id, predictions.model_name, predictions.model_version, predictions.descriptors_version, predictions.label, predictions.logits AS logits, predictions.embedding AS embedding, CAST(predictions.descriptors AS TEXT) AS descriptors, CAST(predictions.probabilities AS TEXT) AS probabilities, latest_feedback.rating, latest_feedback.label AS given_label, predictions.product_id AS segment_product, predictions.metadata ->> $1::TEXT AS segment_shop, predictions.metadata ->> $2::TEXT AS segment_country
FROM predictions LEFT OUTER JOIN LATERAL (SELECT feedback.rating AS rating, feedback.label AS label
FROM feedback
WHERE feedback.prediction_id = predictions.prediction_id ORDER BY feedback.received_at DESC, feedback.feedback_id DESC
LIMIT $3::INTEGER) AS latest_feedback ON true
WHERE predictions.prediction_id >= $4::UUID AND predictions.prediction_id < $5::UUID AND predictions.source IN ($12::VARCHAR, $13::VARCHAR, $14::VARCHAR) AND predictions.model_version = $6::VARCHAR AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($15::VARCHAR, $16::VARCHAR, $17::VARCHAR) AND predictions.idempotency_key IS NOT NULL AND predictions.prediction_id >= $7::UUID AND predictions.prediction_id < $8::UUID) AS keyed
WHERE keyed.previous > keyed.created_at - $9::INTERVAL)) AND uuid_hash_extended(predictions.prediction_id, $10::BIGINT) < $11::BIGINT ORDER BY predictions.prediction_id

-- drift_jobs.storage.counts.versions_in
SELECT predictions.model_version, count(*) AS count_1
FROM predictions
WHERE predictions.prediction_id >= $1::UUID AND predictions.prediction_id < $2::UUID AND predictions.source IN ($6::VARCHAR, $7::VARCHAR, $8::VARCHAR) AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($9::VARCHAR, $10::VARCHAR, $11::VARCHAR) AND predictions.idempotency_key IS NOT NULL AND predictions.prediction_id >= $3::UUID AND predictions.prediction_id < $4::UUID) AS keyed
WHERE keyed.previous > keyed.created_at - $5::INTERVAL)) GROUP BY predictions.model_version ORDER BY min(predictions.created_at), predictions.model_version

-- drift_jobs.storage.counts.input_state
SELECT count(*) AS count_1, bit_xor(uuid_hash_extended(predictions.prediction_id, $1::BIGINT)) AS bit_xor_1
FROM predictions
WHERE predictions.prediction_id >= $2::UUID AND predictions.prediction_id < $3::UUID AND predictions.source IN ($5::VARCHAR, $6::VARCHAR, $7::VARCHAR) AND predictions.model_version = $4::VARCHAR

-- drift_jobs.storage.counts.input_state
SELECT count(*) AS count_1, max(feedback.received_at) AS max_1
FROM feedback JOIN predictions ON feedback.prediction_id = predictions.prediction_id
WHERE predictions.prediction_id >= $1::UUID AND predictions.prediction_id < $2::UUID AND predictions.source IN ($6::VARCHAR, $7::VARCHAR, $8::VARCHAR) AND predictions.model_version = $3::VARCHAR AND feedback.prediction_id >= $4::UUID AND feedback.prediction_id < $5::UUID

-- drift_jobs.storage.results.store_run
INSERT INTO drift_runs (run_id, revision, window_start, window_end, reference, model_name, model_version, started_at, finished_at, n_current, n_reference, verdict, reason, details, input_state, notice_due, report_html, report_json) VALUES ($1::UUID, $2::INTEGER, $3::TIMESTAMP WITH TIME ZONE, $4::TIMESTAMP WITH TIME ZONE, $5::VARCHAR, $6::VARCHAR, $7::VARCHAR, $8::TIMESTAMP WITH TIME ZONE, $9::TIMESTAMP WITH TIME ZONE, $10::INTEGER, $11::INTEGER, $12::VARCHAR, $13::VARCHAR, $14::JSONB, $15::VARCHAR, $16::BOOLEAN, $17::BYTEA, $18::BYTEA)

-- drift_jobs.storage.results.store_run
INSERT INTO drift_metrics (run_id, metric, segment, family, value, lower, upper, reference_value, effect, p_value, adjusted_p, floor, threshold, detectable, direction, verdict, n, note) VALUES ($1::UUID, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::FLOAT, $6::FLOAT, $7::FLOAT, $8::FLOAT, $9::FLOAT, $10::FLOAT, $11::FLOAT, $12::FLOAT, $13::FLOAT, $14::FLOAT, $15::VARCHAR, $16::VARCHAR, $17::INTEGER, $18::VARCHAR)

-- drift_jobs.storage.results.remember_state
UPDATE drift_runs SET input_state=$1::VARCHAR WHERE drift_runs.run_id = $2::UUID

-- drift_jobs.storage.results.latest_state
SELECT drift_runs.input_state
FROM drift_runs
WHERE drift_runs.window_start = $1::TIMESTAMP WITH TIME ZONE AND drift_runs.window_end = $2::TIMESTAMP WITH TIME ZONE AND drift_runs.model_version = $3::VARCHAR AND drift_runs.reference = $4::VARCHAR ORDER BY drift_runs.revision DESC
LIMIT $5::INTEGER

-- drift_jobs.storage.results.latest_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details
FROM drift_runs
WHERE drift_runs.window_start = $1::TIMESTAMP WITH TIME ZONE AND drift_runs.window_end = $2::TIMESTAMP WITH TIME ZONE AND drift_runs.model_version = $3::VARCHAR AND drift_runs.reference = $4::VARCHAR ORDER BY drift_runs.revision DESC
LIMIT $5::INTEGER

-- drift_jobs.storage.results.latest_run
SELECT drift_metrics.run_id, drift_metrics.metric, drift_metrics.segment, drift_metrics.family, drift_metrics.value, drift_metrics.lower, drift_metrics.upper, drift_metrics.reference_value, drift_metrics.effect, drift_metrics.p_value, drift_metrics.adjusted_p, drift_metrics.floor, drift_metrics.threshold, drift_metrics.detectable, drift_metrics.direction, drift_metrics.verdict, drift_metrics.n, drift_metrics.note
FROM drift_metrics
WHERE drift_metrics.run_id IN ($11::UUID) ORDER BY drift_metrics.segment, CASE drift_metrics.family WHEN $1::VARCHAR THEN $2::INTEGER WHEN $3::VARCHAR THEN $4::INTEGER WHEN $5::VARCHAR THEN $6::INTEGER WHEN $7::VARCHAR THEN $8::INTEGER WHEN $9::VARCHAR THEN $10::INTEGER END, drift_metrics.metric

-- drift_jobs.storage.results.past_runs
SELECT last_revisions.run_id, last_revisions.revision, last_revisions.window_start, last_revisions.window_end, last_revisions.reference, last_revisions.model_name, last_revisions.model_version, last_revisions.started_at, last_revisions.finished_at, last_revisions.n_current, last_revisions.n_reference, last_revisions.verdict, last_revisions.reason, last_revisions.details
FROM (SELECT DISTINCT ON (drift_runs.window_end, drift_runs.window_start, drift_runs.model_version, drift_runs.reference) drift_runs.run_id AS run_id, drift_runs.revision AS revision, drift_runs.window_start AS window_start, drift_runs.window_end AS window_end, drift_runs.reference AS reference, drift_runs.model_name AS model_name, drift_runs.model_version AS model_version, drift_runs.started_at AS started_at, drift_runs.finished_at AS finished_at, drift_runs.n_current AS n_current, drift_runs.n_reference AS n_reference, drift_runs.verdict AS verdict, drift_runs.reason AS reason, drift_runs.details AS details, drift_runs.input_state AS input_state, drift_runs.notice_due AS notice_due
FROM drift_runs
WHERE drift_runs.model_version = $1::VARCHAR AND drift_runs.reference = $2::VARCHAR AND drift_runs.window_end <= $3::TIMESTAMP WITH TIME ZONE ORDER BY drift_runs.window_end, drift_runs.window_start, drift_runs.model_version, drift_runs.reference, drift_runs.revision DESC) AS last_revisions ORDER BY last_revisions.window_end DESC, last_revisions.window_start
LIMIT $4::INTEGER

-- drift_jobs.storage.results.runs_on
SELECT last_revisions.run_id, last_revisions.revision, last_revisions.window_start, last_revisions.window_end, last_revisions.reference, last_revisions.model_name, last_revisions.model_version, last_revisions.started_at, last_revisions.finished_at, last_revisions.n_current, last_revisions.n_reference, last_revisions.verdict, last_revisions.reason, last_revisions.details
FROM (SELECT DISTINCT ON (drift_runs.window_end, drift_runs.window_start, drift_runs.model_version, drift_runs.reference) drift_runs.run_id AS run_id, drift_runs.revision AS revision, drift_runs.window_start AS window_start, drift_runs.window_end AS window_end, drift_runs.reference AS reference, drift_runs.model_name AS model_name, drift_runs.model_version AS model_version, drift_runs.started_at AS started_at, drift_runs.finished_at AS finished_at, drift_runs.n_current AS n_current, drift_runs.n_reference AS n_reference, drift_runs.verdict AS verdict, drift_runs.reason AS reason, drift_runs.details AS details, drift_runs.input_state AS input_state, drift_runs.notice_due AS notice_due
FROM drift_runs
WHERE drift_runs.window_start = $1::TIMESTAMP WITH TIME ZONE AND drift_runs.window_end = $2::TIMESTAMP WITH TIME ZONE AND drift_runs.model_version = $3::VARCHAR AND drift_runs.reference = $4::VARCHAR ORDER BY drift_runs.window_end, drift_runs.window_start, drift_runs.model_version, drift_runs.reference, drift_runs.revision DESC) AS last_revisions ORDER BY last_revisions.window_end

-- drift_jobs.storage.results.list_runs
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details
FROM drift_runs ORDER BY drift_runs.started_at DESC
LIMIT $1::INTEGER

-- drift_jobs.storage.results.list_runs
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details
FROM drift_runs
WHERE drift_runs.model_version = $1::VARCHAR AND drift_runs.verdict = $2::VARCHAR ORDER BY drift_runs.started_at DESC
LIMIT $3::INTEGER

-- drift_jobs.storage.results.read_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID

-- drift_jobs.storage.results.read_html
SELECT drift_runs.report_html
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID

-- drift_jobs.storage.listing.judged_windows
SELECT DISTINCT drift_runs.window_start, drift_runs.model_version
FROM drift_runs
WHERE drift_runs.window_end = $1::TIMESTAMP WITH TIME ZONE ORDER BY drift_runs.window_start, drift_runs.model_version

-- drift_jobs.storage.listing.judged_versions
SELECT DISTINCT drift_runs.model_version
FROM drift_runs
WHERE drift_runs.window_start <= $1::TIMESTAMP WITH TIME ZONE AND drift_runs.window_end = $2::TIMESTAMP WITH TIME ZONE AND (drift_runs.reference = $3::VARCHAR OR (drift_runs.reference LIKE $4::VARCHAR || '%'))

-- drift_jobs.storage.listing.was_judging
SELECT EXISTS (SELECT *
FROM drift_runs
WHERE drift_runs.window_end <= $1::TIMESTAMP WITH TIME ZONE AND (drift_runs.reference = $2::VARCHAR OR (drift_runs.reference LIKE $3::VARCHAR || '%'))) AS anon_1

-- drift_jobs.storage.listing.judged_versions
SELECT DISTINCT drift_runs.model_version
FROM drift_runs
WHERE drift_runs.window_start <= $1::TIMESTAMP WITH TIME ZONE AND drift_runs.window_end = $2::TIMESTAMP WITH TIME ZONE AND drift_runs.reference = $3::VARCHAR

-- drift_jobs.storage.listing.was_judging
SELECT EXISTS (SELECT *
FROM drift_runs
WHERE drift_runs.window_end <= $1::TIMESTAMP WITH TIME ZONE AND drift_runs.reference = $2::VARCHAR) AS anon_1

-- drift_jobs.storage.notices.list_due
SELECT drift_runs.run_id
FROM drift_runs
WHERE drift_runs.notice_due AND NOT (EXISTS (SELECT *
FROM drift_runs AS drift_runs_1
WHERE drift_runs_1.revision > drift_runs.revision AND drift_runs_1.window_start = drift_runs.window_start AND drift_runs_1.window_end = drift_runs.window_end AND drift_runs_1.model_version = drift_runs.model_version AND drift_runs_1.reference = drift_runs.reference)) AND (EXISTS (SELECT *
FROM drift_metrics
WHERE drift_metrics.run_id = drift_runs.run_id AND drift_metrics.verdict = drift_runs.verdict)) AND drift_runs.finished_at >= $1::TIMESTAMP WITH TIME ZONE ORDER BY drift_runs.finished_at, drift_runs.run_id

-- drift_jobs.storage.notices.is_due
SELECT EXISTS (SELECT *
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID AND drift_runs.notice_due AND NOT (EXISTS (SELECT *
FROM drift_runs AS drift_runs_1
WHERE drift_runs_1.revision > drift_runs.revision AND drift_runs_1.window_start = drift_runs.window_start AND drift_runs_1.window_end = drift_runs.window_end AND drift_runs_1.model_version = drift_runs.model_version AND drift_runs_1.reference = drift_runs.reference)) AND (EXISTS (SELECT *
FROM drift_metrics
WHERE drift_metrics.run_id = drift_runs.run_id AND drift_metrics.verdict = drift_runs.verdict))) AS anon_1

-- drift_jobs.storage.notices.claim
SELECT drift_runs.run_id
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID AND drift_runs.notice_due AND NOT (EXISTS (SELECT *
FROM drift_runs AS drift_runs_1
WHERE drift_runs_1.revision > drift_runs.revision AND drift_runs_1.window_start = drift_runs.window_start AND drift_runs_1.window_end = drift_runs.window_end AND drift_runs_1.model_version = drift_runs.model_version AND drift_runs_1.reference = drift_runs.reference)) AND (EXISTS (SELECT *
FROM drift_metrics
WHERE drift_metrics.run_id = drift_runs.run_id AND drift_metrics.verdict = drift_runs.verdict)) FOR UPDATE SKIP LOCKED

-- drift_jobs.storage.notices.settle
UPDATE drift_runs SET notice_due=$1::BOOLEAN WHERE drift_runs.run_id = $2::UUID

-- drift_jobs.storage.counts.day_counts
SELECT width_bucket(predictions.prediction_id, $1::UUID[]) AS day, count(*) AS count_1
FROM predictions
WHERE predictions.prediction_id >= $2::UUID AND predictions.prediction_id < $3::UUID AND predictions.source IN ($8::VARCHAR, $9::VARCHAR, $10::VARCHAR) AND predictions.model_version = $4::VARCHAR AND (predictions.prediction_id NOT IN (SELECT keyed.prediction_id
FROM (SELECT predictions.prediction_id AS prediction_id, predictions.created_at AS created_at, lag(predictions.created_at) OVER (PARTITION BY predictions.idempotency_key, predictions.api_key_name ORDER BY predictions.prediction_id) AS previous
FROM predictions
WHERE predictions.source IN ($11::VARCHAR, $12::VARCHAR, $13::VARCHAR) AND predictions.idempotency_key IS NOT NULL AND predictions.prediction_id >= $5::UUID AND predictions.prediction_id < $6::UUID) AS keyed
WHERE keyed.previous > keyed.created_at - $7::INTERVAL)) GROUP BY day

-- drift_jobs.storage.first_traffic.baseline_for
SELECT drift_baselines.baseline_id, drift_baselines.model_version, drift_baselines.window_start, drift_baselines.window_end, drift_baselines.rows, drift_baselines.origin, drift_baselines.accepted_at
FROM drift_baselines
WHERE drift_baselines.model_version = $1::VARCHAR AND drift_baselines.window_end <= $2::TIMESTAMP WITH TIME ZONE ORDER BY drift_baselines.origin = $3::VARCHAR, CASE WHEN (drift_baselines.origin = $3::VARCHAR) THEN drift_baselines.window_end ELSE drift_baselines.accepted_at END DESC, drift_baselines.baseline_id DESC

-- drift_jobs.storage.first_traffic.baseline_for
SELECT min(predictions.created_at) AS min_1
FROM predictions
WHERE predictions.prediction_id >= $1::UUID AND predictions.prediction_id < $2::UUID AND predictions.source IN ($4::VARCHAR, $5::VARCHAR, $6::VARCHAR) AND predictions.model_version = $3::VARCHAR

-- drift_jobs.storage.first_traffic.baseline_for
select pg_advisory_xact_lock(hashtextextended($1, 0))

-- drift_jobs.storage.first_traffic.baseline_for
INSERT INTO drift_baselines (baseline_id, model_version, window_start, window_end, rows, origin, accepted_at) VALUES ($1::UUID, $2::VARCHAR, $3::TIMESTAMP WITH TIME ZONE, $4::TIMESTAMP WITH TIME ZONE, $5::INTEGER, $6::VARCHAR, $7::TIMESTAMP WITH TIME ZONE) RETURNING drift_baselines.baseline_id, drift_baselines.model_version, drift_baselines.window_start, drift_baselines.window_end, drift_baselines.rows, drift_baselines.origin, drift_baselines.accepted_at

-- drift_jobs.storage.baselines.accepted
SELECT drift_baselines.baseline_id, drift_baselines.model_version, drift_baselines.window_start, drift_baselines.window_end, drift_baselines.rows, drift_baselines.origin, drift_baselines.accepted_at
FROM drift_baselines
WHERE drift_baselines.model_version = $1::VARCHAR ORDER BY drift_baselines.origin = $2::VARCHAR, CASE WHEN (drift_baselines.origin = $2::VARCHAR) THEN drift_baselines.window_end ELSE drift_baselines.accepted_at END DESC, drift_baselines.baseline_id DESC

-- drift_jobs.storage.baselines.list_baselines
SELECT drift_baselines.baseline_id, drift_baselines.model_version, drift_baselines.window_start, drift_baselines.window_end, drift_baselines.rows, drift_baselines.origin, drift_baselines.accepted_at
FROM drift_baselines
WHERE true ORDER BY drift_baselines.accepted_at DESC, drift_baselines.baseline_id DESC

-- drift_jobs.storage.baselines.list_baselines
SELECT drift_baselines.baseline_id, drift_baselines.model_version, drift_baselines.window_start, drift_baselines.window_end, drift_baselines.rows, drift_baselines.origin, drift_baselines.accepted_at
FROM drift_baselines
WHERE drift_baselines.model_version = $1::VARCHAR ORDER BY drift_baselines.accepted_at DESC, drift_baselines.baseline_id DESC

-- drift_jobs.storage.calibrations.store_calibration
INSERT INTO drift_calibrations (calibration_id, model_version, reference, reference_state, size, windows, products, smallest_p, back_test, created_at) VALUES ($1::UUID, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::INTEGER, $6::INTEGER, $7::FLOAT, $8::DOUBLE PRECISION[], $9::JSONB, $10::TIMESTAMP WITH TIME ZONE) ON CONFLICT (model_version, reference, reference_state, size) DO NOTHING RETURNING drift_calibrations.calibration_id

-- drift_jobs.storage.calibrations.store_calibration
INSERT INTO drift_floors (calibration_id, metric, segment, model_version, reference, size, floor, quantile, errors) VALUES ($1::UUID, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::INTEGER, $7::FLOAT, $8::FLOAT, $9::FLOAT)

-- drift_jobs.storage.calibrations.store_calibration
SELECT drift_calibrations.calibration_id, drift_calibrations.model_version, drift_calibrations.reference, drift_calibrations.reference_state, drift_calibrations.size, drift_calibrations.windows, drift_calibrations.products, drift_calibrations.smallest_p, drift_calibrations.back_test, drift_calibrations.created_at
FROM drift_calibrations
WHERE drift_calibrations.model_version = $1::VARCHAR AND drift_calibrations.reference = $2::VARCHAR AND drift_calibrations.reference_state = $3::VARCHAR AND drift_calibrations.size = $4::INTEGER

-- drift_jobs.storage.calibrations.store_calibration
SELECT drift_floors.calibration_id, drift_floors.metric, drift_floors.segment, drift_floors.model_version, drift_floors.reference, drift_floors.size, drift_floors.floor, drift_floors.quantile, drift_floors.errors
FROM drift_floors
WHERE drift_floors.calibration_id = $1::UUID ORDER BY drift_floors.metric

-- sentiment_api.database.drift_queries.latest_drift_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details, drift_runs.report_html IS NOT NULL AS has_page
FROM drift_runs
WHERE drift_runs.model_version = $1::VARCHAR ORDER BY drift_runs.window_end DESC, drift_runs.finished_at DESC, drift_runs.run_id DESC
LIMIT $2::INTEGER

-- sentiment_api.database.drift_queries.last_drift_success
SELECT max(drift_runs.finished_at) AS finished_at
FROM drift_runs
WHERE drift_runs.model_version = $1::VARCHAR AND drift_runs.verdict != $2::VARCHAR

-- sentiment_api.database.drift_queries.find_drift_run
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details, drift_runs.report_html IS NOT NULL AS has_page
FROM drift_runs
WHERE drift_runs.run_id = $1::UUID ORDER BY drift_runs.window_end DESC, drift_runs.finished_at DESC, drift_runs.run_id DESC

-- sentiment_api.database.drift_queries.select_drift_runs
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details, drift_runs.report_html IS NOT NULL AS has_page
FROM drift_runs ORDER BY drift_runs.window_end DESC, drift_runs.finished_at DESC, drift_runs.run_id DESC
LIMIT $1::INTEGER

-- sentiment_api.database.drift_queries.select_drift_runs
SELECT drift_runs.run_id, drift_runs.revision, drift_runs.window_start, drift_runs.window_end, drift_runs.reference, drift_runs.model_name, drift_runs.model_version, drift_runs.started_at, drift_runs.finished_at, drift_runs.n_current, drift_runs.n_reference, drift_runs.verdict, drift_runs.reason, drift_runs.details, drift_runs.report_html IS NOT NULL AS has_page
FROM drift_runs
WHERE drift_runs.model_version = $1::VARCHAR AND (drift_runs.window_end, drift_runs.finished_at, drift_runs.run_id) < ($2::TIMESTAMP WITH TIME ZONE, $3::TIMESTAMP WITH TIME ZONE, $4) ORDER BY drift_runs.window_end DESC, drift_runs.finished_at DESC, drift_runs.run_id DESC
LIMIT $5::INTEGER

-- sentiment_api.database.drift_queries.find_drift_metrics
SELECT drift_metrics.metric, drift_metrics.segment, drift_metrics.family, drift_metrics.value, drift_metrics.lower, drift_metrics.upper, drift_metrics.reference_value, drift_metrics.effect, drift_metrics.p_value, drift_metrics.adjusted_p, drift_metrics.floor, drift_metrics.threshold, drift_metrics.detectable, drift_metrics.direction, drift_metrics.verdict, drift_metrics.n, drift_metrics.note
FROM drift_metrics
WHERE drift_metrics.run_id = $1::UUID ORDER BY drift_metrics.segment, drift_metrics.family DESC, drift_metrics.metric

-- sentiment_api.database.api_keys.insert_key
INSERT INTO api_keys (key_id, name, secret_hash, scopes, tokens_per_minute, expires_at) VALUES ($1::VARCHAR, $2::VARCHAR, $3::BYTEA, $4::TEXT[], $5::INTEGER, $6::TIMESTAMP WITH TIME ZONE)

-- sentiment_api.database.api_keys.living_keys
SELECT api_keys.key_id, api_keys.name, api_keys.secret_hash, api_keys.scopes, api_keys.tokens_per_minute, api_keys.expires_at
FROM api_keys
WHERE api_keys.revoked_at IS NULL ORDER BY api_keys.key_id

-- sentiment_api.database.api_keys.lease_tokens
SELECT api_keys.key_id
FROM api_keys
WHERE api_keys.key_id = $1::VARCHAR FOR UPDATE

-- sentiment_api.database.api_keys.lease_tokens
SELECT least(api_keys.tokens_per_minute, coalesce(api_keys.bucket, api_keys.tokens_per_minute) + (greatest($1::FLOAT, coalesce(date_part($2::VARCHAR, clock_timestamp() - api_keys.bucket_at), $3::FLOAT)) * api_keys.tokens_per_minute) / CAST($4::FLOAT AS DOUBLE PRECISION)) AS least_1
FROM api_keys
WHERE api_keys.key_id = $5::VARCHAR

-- sentiment_api.database.api_keys.lease_tokens
UPDATE api_keys SET bucket=$1::FLOAT, bucket_at=clock_timestamp() WHERE api_keys.key_id = $2::VARCHAR

-- sentiment_api.database.api_keys.list_keys
SELECT api_keys.key_id, api_keys.name, api_keys.scopes, api_keys.tokens_per_minute, api_keys.bucket, api_keys.bucket_at, api_keys.created_at, api_keys.expires_at, api_keys.revoked_at
FROM api_keys
WHERE api_keys.revoked_at IS NULL ORDER BY api_keys.name, api_keys.created_at

-- sentiment_api.database.api_keys.list_keys
SELECT api_keys.key_id, api_keys.name, api_keys.scopes, api_keys.tokens_per_minute, api_keys.bucket, api_keys.bucket_at, api_keys.created_at, api_keys.expires_at, api_keys.revoked_at
FROM api_keys ORDER BY api_keys.name, api_keys.created_at

-- sentiment_api.database.api_keys.revoke_key
SELECT api_keys.key_id, api_keys.scopes, api_keys.created_at
FROM api_keys
WHERE api_keys.name = $1::VARCHAR AND api_keys.revoked_at IS NULL

-- sentiment_api.database.api_keys.revoke_key
UPDATE api_keys SET revoked_at=now() WHERE api_keys.name = $1::VARCHAR AND api_keys.revoked_at IS NULL RETURNING api_keys.key_id, api_keys.scopes, api_keys.created_at

-- sentiment_api.database.erasures.count_subject
SELECT count(*) AS count_1
FROM (SELECT predictions.prediction_id AS prediction_id
FROM predictions
WHERE predictions.prediction_id = $1::UUID) AS anon_1

-- sentiment_api.database.erasures.count_subject
SELECT count(*) AS count_1
FROM feedback
WHERE feedback.prediction_id = $1::UUID OR feedback.prediction_id IN (SELECT predictions.prediction_id
FROM predictions
WHERE predictions.prediction_id = $2::UUID)

-- sentiment_api.database.erasures.erase
set local lock_timeout = '10s'

-- sentiment_api.database.erasures.erase
SELECT pg_advisory_xact_lock($1::INTEGER) AS pg_advisory_xact_lock_1

-- sentiment_api.database.erasures.erase
INSERT INTO tombstones (prediction_id, product_id, until) VALUES ($1::UUID, $2::VARCHAR, $3::UUID) ON CONFLICT DO NOTHING RETURNING tombstones.number

-- sentiment_api.database.erasures.erase
WITH gone AS
(DELETE FROM predictions WHERE predictions.prediction_id = $1::UUID RETURNING predictions.prediction_id),
marked AS
(INSERT INTO tombstones (prediction_id) SELECT gone.prediction_id AS prediction_id
FROM gone ON CONFLICT DO NOTHING),
shadowed AS
(DELETE FROM shadow_predictions WHERE shadow_predictions.prediction_id = $2::UUID OR shadow_predictions.prediction_id IN (SELECT gone.prediction_id
FROM gone)),
said AS
(DELETE FROM feedback WHERE feedback.prediction_id = $3::UUID OR feedback.prediction_id IN (SELECT gone.prediction_id
FROM gone) RETURNING feedback.feedback_id)
SELECT (SELECT count(*) AS count_1
FROM gone) AS anon_1, (SELECT count(*) AS count_2
FROM said) AS anon_2

-- sentiment_api.database.erasures.erase
SELECT max(tombstones.number) AS max_1
FROM tombstones

-- sentiment_api.database.erasures.count_subject
SELECT count(*) AS count_1
FROM (SELECT predictions.prediction_id AS prediction_id
FROM predictions
WHERE predictions.product_id = $1::VARCHAR AND predictions.prediction_id < $2::UUID) AS anon_1

-- sentiment_api.database.erasures.count_subject
SELECT count(*) AS count_1
FROM feedback
WHERE feedback.prediction_id IS NULL OR feedback.prediction_id IN (SELECT predictions.prediction_id
FROM predictions
WHERE predictions.product_id = $1::VARCHAR AND predictions.prediction_id < $2::UUID)

-- sentiment_api.database.erasures.erase
DELETE FROM drift_metrics WHERE drift_metrics.segment = $1::VARCHAR RETURNING drift_metrics.run_id

-- sentiment_api.database.erasures.erase
SELECT drift_runs.run_id, drift_runs.reason, drift_runs.details
FROM drift_runs
WHERE drift_runs.run_id IN ($1::UUID) FOR UPDATE

-- sentiment_api.database.erasures.erase
UPDATE drift_runs SET reason=$1::VARCHAR, details=$2::JSONB, report_html=$3::BYTEA, report_json=$4::BYTEA WHERE drift_runs.run_id = $5::UUID

-- sentiment_api.database.erasures.erase
WITH gone AS
(DELETE FROM predictions WHERE predictions.product_id = $1::VARCHAR AND predictions.prediction_id < $2::UUID RETURNING predictions.prediction_id),
marked AS
(INSERT INTO tombstones (prediction_id) SELECT gone.prediction_id AS prediction_id
FROM gone ON CONFLICT DO NOTHING),
shadowed AS
(DELETE FROM shadow_predictions WHERE shadow_predictions.prediction_id IS NULL OR shadow_predictions.prediction_id IN (SELECT gone.prediction_id
FROM gone)),
said AS
(DELETE FROM feedback WHERE feedback.prediction_id IS NULL OR feedback.prediction_id IN (SELECT gone.prediction_id
FROM gone) RETURNING feedback.feedback_id)
SELECT (SELECT count(*) AS count_1
FROM gone) AS anon_1, (SELECT count(*) AS count_2
FROM said) AS anon_2

-- sentiment_api.database.erasures.bury
INSERT INTO tombstones (prediction_id) VALUES ($1::UUID) ON CONFLICT DO NOTHING RETURNING tombstones.number

-- sentiment_api.database.erasures.bury
DELETE FROM feedback WHERE feedback.prediction_id = ANY ($1::UUID[])

-- sentiment_api.database.erasures.bury
DELETE FROM shadow_predictions WHERE shadow_predictions.prediction_id = ANY ($1::UUID[])

-- sentiment_api.database.erasures.say_alive
INSERT INTO spools (spool_id, host, folder, seen_at, purged_to) VALUES ($1::UUID, $2::VARCHAR, $3::VARCHAR, now(), $4::BIGINT) ON CONFLICT (spool_id) DO UPDATE SET spool_id = $5::UUID, host = $6::VARCHAR, folder = $7::VARCHAR, seen_at = now(), purged_to = $8::BIGINT

-- sentiment_api.database.erasures.spool_states
SELECT spools.spool_id, spools.host, spools.folder, spools.seen_at, spools.purged_to, spools.seen_at > now() - $1::INTERVAL AS lives, spools.purged_to >= $2::BIGINT AS purged
FROM spools ORDER BY spools.host, spools.folder

-- sentiment_api.database.erasures.say_gone
DELETE FROM spools WHERE spools.spool_id = ANY ($1::UUID[]) AND spools.seen_at <= now() - $2::INTERVAL

-- sentiment_api.database.partitions.drop_old_months
INSERT INTO retention (one_row, kept_from) VALUES ($1::BOOLEAN, $2::UUID) ON CONFLICT (one_row) DO UPDATE SET kept_from = greatest(retention.kept_from, $3::UUID)

-- sentiment_api.database.partitions.drop_old_months
select relname from pg_class where relkind = 'r' and relname ~ '^predictions_[0-9]{4}_[0-9]{2}$' and pg_table_is_visible(oid)

-- sentiment_api.database.partitions.drop_old_months
SELECT pg_try_advisory_lock($1::INTEGER) AS pg_try_advisory_lock_1

-- sentiment_api.database.partitions.drop_old_months
set lock_timeout = '3s'

-- sentiment_api.database.partitions.drop_old_months
select inhdetachpending from pg_inherits where inhrelid = to_regclass($1)

-- sentiment_api.database.partitions.drop_old_months
alter table predictions detach partition predictions_2025_10 concurrently

-- sentiment_api.database.partitions.drop_old_months
drop table if exists predictions_2025_10

-- sentiment_api.database.partitions.drop_old_months
reset lock_timeout

-- sentiment_api.database.partitions.drop_old_months
SELECT pg_advisory_unlock($1::INTEGER) AS pg_advisory_unlock_1

-- sentiment_api.database.partitions.drop_old_months
DELETE FROM feedback WHERE feedback.prediction_id < $1::UUID

-- sentiment_api.database.partitions.drop_old_months
DELETE FROM shadow_predictions WHERE shadow_predictions.prediction_id < $1::UUID

-- sentiment_api.database.partitions.drop_old_months
DELETE FROM tombstones WHERE tombstones.prediction_id < $1::UUID
