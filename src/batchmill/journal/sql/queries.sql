-- Every query of the journal, each below its name.

-- name: begin_run
INSERT INTO run (name, source, folder, document, inputs, settings, status, passes, started_at)
VALUES (:name, :source, :folder, :document, :inputs, :settings, 'running', 1, :at)

-- name: begin_pass
UPDATE run SET status = 'running', passes = passes + 1, document = :document, inputs = :inputs,
    settings = :settings, result = NULL, finished_at = NULL WHERE id = :id RETURNING passes

-- name: end_run
UPDATE run SET status = ?, finished_at = ?, wall = ?, result = ? WHERE id = ?

-- name: reserve_visits
UPDATE sequence SET next_visit = next_visit + :count RETURNING next_visit - :count

-- name: add_visit
INSERT OR IGNORE INTO visit (id, run, address, occurrence, key, is_batch, pass, total, parts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: set_key
UPDATE visit SET key = ?, parts = ? WHERE id = ?

-- name: add_call
INSERT OR REPLACE INTO call (id, run, pass, address, position, turn, item, place, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- One that was under way when its process ended, unless its outcome was kept after all.
-- name: add_call_left
INSERT OR IGNORE INTO call (id, run, pass, address, position, turn, item, place, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- In document order within each pass; those of an item in the order they were made.
-- name: calls_of
SELECT id, pass, detail FROM call WHERE run = ?
ORDER BY pass, position, turn IS NULL, turn, item, place, rowid

-- name: count_calls
SELECT count(*) FROM call WHERE run = ?

-- name: set_total
UPDATE visit SET total = ? WHERE id = ?

-- name: set_source
UPDATE visit SET source = ? WHERE id = ?

-- name: source_of
SELECT source FROM visit WHERE id = ?

-- name: total_of
SELECT total FROM visit WHERE id = ?

-- name: add_outcome
INSERT OR REPLACE INTO outcome (id, pass, state, item, value, wall, began, worker, key, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- One without key and detail, as most are. To bind two NULLs costs Python as much as all the other values.
-- name: add_plain_outcome
INSERT OR REPLACE INTO outcome (id, pass, state, item, value, wall, began, worker)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- One outcome once more, at another place.
-- name: copy_outcome
INSERT OR REPLACE INTO outcome (id, pass, state, key, item, value, wall, detail, began, worker)
SELECT ?, ?, state, key, item, value, wall, detail, began, worker FROM outcome WHERE id = ?

-- One of another run: in this one nothing was done for it, at no time.
-- name: copy_foreign
INSERT OR REPLACE INTO outcome (id, pass, state, key, item, value, wall, detail)
SELECT ?, ?, state, key, item, value, wall, detail FROM outcome WHERE id = ?

-- The outcomes of a visit below a position, as those of another visit.
-- name: copy_visit
INSERT OR REPLACE INTO outcome (id, pass, state, key, item, value, wall, detail, began, worker)
SELECT id - ? + ?, pass, state, key, item, value, wall, detail, began, worker FROM outcome
WHERE id >= ? AND id < ?

-- name: add_wait
INSERT OR REPLACE INTO wait (id, pass, for_limit, for_permit) VALUES (?, ?, ?, ?)

-- name: copy_wait
INSERT OR REPLACE INTO wait (id, pass, for_limit, for_permit)
SELECT ?, pass, for_limit, for_permit FROM wait WHERE id = ?

-- name: copy_waits
INSERT OR REPLACE INTO wait (id, pass, for_limit, for_permit)
SELECT id - ? + ?, pass, for_limit, for_permit FROM wait WHERE id >= ? AND id < ?

-- name: delete_waits
DELETE FROM wait WHERE id >= ? AND id < ?

-- name: add_effort
INSERT OR REPLACE INTO effort (id, pass, count, cpu, peak) VALUES (?, ?, ?, ?, ?)

-- What the items of each node took, in all passes.
-- name: efforts_of
SELECT visit.address, sum(effort.cpu), max(effort.peak) FROM visit
JOIN effort ON effort.id >= visit.id << 32 AND effort.id < (visit.id + 1) << 32
WHERE visit.run = ? GROUP BY visit.address

-- name: delete_efforts
DELETE FROM effort WHERE id >= ? AND id < ?

-- name: add_command
INSERT OR REPLACE INTO command (id, pass, cpu, bytes_out) VALUES (?, ?, ?, ?)

-- What the commands of the items of each node took, in all passes.
-- name: commands_of
SELECT visit.address, sum(command.cpu), sum(command.bytes_out) FROM visit
JOIN command ON command.id >= visit.id << 32 AND command.id < (visit.id + 1) << 32
WHERE visit.run = ? GROUP BY visit.address

-- name: delete_commands
DELETE FROM command WHERE id >= ? AND id < ?

-- name: add_sample
INSERT OR REPLACE INTO sample (run, at, seconds, cpu, rss, processes) VALUES (?, ?, ?, ?, ?, ?)

-- name: samples_of
SELECT at, seconds, cpu, rss, processes FROM sample WHERE run = ? ORDER BY at

-- name: last_sample_before
SELECT max(at) FROM sample WHERE run = ? AND at >= ? AND at < ?

-- name: last_sample_of
SELECT at, seconds, cpu, rss, processes FROM sample WHERE run = ? ORDER BY at DESC LIMIT 1

-- name: delete_samples
DELETE FROM sample WHERE run = ?

-- name: beat
INSERT OR REPLACE INTO heartbeat (run, pass, at, detail) VALUES (?, ?, ?, ?)

-- name: heartbeat_of
SELECT pass, at, detail FROM heartbeat WHERE run = ?

-- name: delete_heartbeat
DELETE FROM heartbeat WHERE run = ?

-- name: add_event
INSERT INTO event (run, at, kind, detail) VALUES (?, ?, ?, ?)

-- name: add_node
INSERT OR REPLACE INTO node (run, address, type, status, wall, detail) VALUES (?, ?, ?, ?, ?, ?)

-- name: add_file
INSERT OR IGNORE INTO file (digest, run) VALUES (?, ?)

-- The visits of a node of a run that may hold what a new visit of it needs, the latest first.
-- name: visits_at
SELECT id, occurrence, key, parts FROM visit WHERE run = ? AND address = ? AND pass < ? ORDER BY id DESC

-- name: visits_with_key
SELECT id FROM visit WHERE key = ? AND is_batch = ? ORDER BY id DESC LIMIT 50

-- name: count_outcomes
SELECT count(*) FROM outcome WHERE id >= ? AND id < ? AND pass < ?

-- name: outcomes_between
SELECT id, state, coalesce(key, item), value, wall, detail FROM outcome
WHERE id >= ? AND id < ? AND pass < ? ORDER BY id

-- name: items_between
SELECT id, item, detail FROM outcome
WHERE id >= ? AND id < ? AND pass < ? AND (item IS NOT NULL OR detail IS NOT NULL)

-- name: ids_between
SELECT id FROM outcome WHERE id >= ? AND id < ? AND pass < ?

-- Into a table of a matcher's own.
-- name: index_outcomes
INSERT INTO temp.{} SELECT coalesce(key, item), id FROM outcome
WHERE id >= ? AND id < ? AND pass < ? AND coalesce(key, item) IS NOT NULL

-- name: outcome_at
SELECT id, state, coalesce(key, item), value, wall, detail FROM outcome WHERE id = ?

-- name: runs
SELECT id, name, source, folder, document, inputs, settings, status, passes, started_at, finished_at, wall
FROM run ORDER BY id DESC

-- name: run_of
SELECT id, name, source, folder, document, inputs, settings, status, passes, started_at, finished_at, wall
FROM run WHERE id = ?

-- name: count_runs
SELECT count(*), min(started_at) FROM run

-- name: result_of
SELECT result FROM run WHERE id = ?

-- The latest visit of each node of a run at each of its turns.
-- name: visits_of
SELECT max(id), address, occurrence, is_batch, total FROM visit WHERE run = ?
GROUP BY address, occurrence ORDER BY min(id)

-- The same but for nodes inside of items.
-- name: outer_visits_of
SELECT max(id), address, occurrence, is_batch, total FROM visit WHERE run = ? AND instr(address, '[') = 0
GROUP BY address, occurrence ORDER BY min(id)

-- name: counts_of
SELECT count(*), sum(state = 1), sum(state = 3), sum(state = 4), sum(wall), count(began), max(worker) FROM outcome
WHERE id >= ? AND id < ?

-- When the last outcome was that a pass made between two ids.
-- name: last_end
SELECT max(began + wall) FROM outcome WHERE id >= ? AND id < ? AND pass = ?

-- name: read_outcomes
SELECT position, state, item, value, wall, detail, began, worker, for_limit, for_permit,
    effort.cpu, command.cpu, bytes_out
FROM outcome LEFT JOIN wait ON wait.id = outcome.id AND wait.pass = outcome.pass
LEFT JOIN effort ON effort.id = outcome.id AND effort.pass = outcome.pass AND effort.count = 1
LEFT JOIN command ON command.id = outcome.id AND command.pass = outcome.pass
WHERE outcome.id >= ? AND outcome.id < ? ORDER BY outcome.id

-- The same for counting: without items and values of what succeeded, which may be most of a journal, without what
-- items took, and with whether there is nothing to tell of an outcome but figures.
-- name: read_columns
SELECT position, state, iif(state = 1, item, NULL), NULL, wall, detail, began, worker, for_limit, for_permit,
    NULL, NULL, NULL, state = 0 AND detail IS NULL AND began IS NOT NULL AND worker IS NOT NULL
FROM outcome LEFT JOIN wait ON wait.id = outcome.id AND wait.pass = outcome.pass
WHERE outcome.id >= ? AND outcome.id < ? ORDER BY outcome.id

-- The same with what items took.
-- name: read_measured
SELECT position, state, iif(state = 1, item, NULL), NULL, wall, detail, began, worker, for_limit, for_permit,
    effort.cpu, command.cpu, bytes_out,
    state = 0 AND detail IS NULL AND began IS NOT NULL AND worker IS NOT NULL
FROM outcome LEFT JOIN wait ON wait.id = outcome.id AND wait.pass = outcome.pass
LEFT JOIN effort ON effort.id = outcome.id AND effort.pass = outcome.pass AND effort.count = 1
LEFT JOIN command ON command.id = outcome.id AND command.pass = outcome.pass
WHERE outcome.id >= ? AND outcome.id < ? ORDER BY outcome.id

-- name: read_failed
SELECT position, state, item, value, wall, detail, began, worker, for_limit, for_permit,
    effort.cpu, command.cpu, bytes_out
FROM outcome LEFT JOIN wait ON wait.id = outcome.id AND wait.pass = outcome.pass
LEFT JOIN effort ON effort.id = outcome.id AND effort.pass = outcome.pass AND effort.count = 1
LEFT JOIN command ON command.id = outcome.id AND command.pass = outcome.pass
WHERE outcome.id >= ? AND outcome.id < ? AND state IN (1, 3) ORDER BY outcome.id

-- name: nodes_of
SELECT address, type, status, wall, detail FROM node WHERE run = ?

-- name: events_of
SELECT at, kind, detail FROM event WHERE run = ? ORDER BY id

-- What happened since an event, but to nodes inside of items.
-- name: events_after
SELECT id, at, kind, detail FROM event
WHERE run = ? AND id > ? AND instr(coalesce(json_extract(detail, '$.node'), ''), '[') = 0 ORDER BY id

-- Of outcomes what tells how far a run is.
-- name: look_at_outcomes
SELECT position, state, pass, wall, began, detail FROM outcome WHERE id >= ? AND id < ? ORDER BY id

-- name: delete_outcomes
DELETE FROM outcome WHERE id >= ? AND id < ?

-- name: visit_ids
SELECT id FROM visit WHERE run = ?

-- name: delete_visits
DELETE FROM visit WHERE run = ?

-- name: delete_events
DELETE FROM event WHERE run = ?

-- name: delete_nodes
DELETE FROM node WHERE run = ?

-- name: delete_calls
DELETE FROM call WHERE run = ?

-- name: delete_run
DELETE FROM run WHERE id = ?

-- For the way from format 1 to 2: what attempts recorded, in the order of visits.
-- name: recorded_in_format_1
SELECT visit.run, visit.address, visit.occurrence, visit.is_batch, outcome.id, outcome.pass, outcome.detail
FROM outcome JOIN visit ON visit.id = outcome.visit WHERE outcome.detail LIKE '%"records"%'
ORDER BY visit.run, visit.id, outcome.id

-- name: files_of
SELECT digest FROM file WHERE run = ?

-- name: delete_files
DELETE FROM file WHERE run = ?

-- name: file_is_used
SELECT 1 FROM file WHERE digest = ? LIMIT 1

-- name: service_batches
SELECT id, token, server, endpoint, model, count, state, remote, status, answered, made_at, sent_at
FROM service_batch WHERE run = ?
AND EXISTS (SELECT 1 FROM service_request WHERE service_request.batch = service_batch.id) ORDER BY id

-- name: add_service_batch
INSERT INTO service_batch
    (run, token, server, endpoint, model, count, state, remote, status, answered, made_at, sent_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_service_request
INSERT INTO service_request (run, batch, place, digest) VALUES (?, ?, ?, ?)

-- name: note_service_batch
UPDATE service_batch SET state = :state, remote = CASE :remote WHEN '' THEN remote ELSE :remote END,
    status = :status, answered = coalesce(:answered, answered), sent_at = coalesce(:sent_at, sent_at)
WHERE id = :id

-- name: open_service_requests
SELECT id, batch, place, digest FROM service_request WHERE run = ? AND digest = ? ORDER BY id

-- name: service_requests_of
SELECT id, batch, place, digest FROM service_request WHERE batch = ? ORDER BY id

-- name: settle_service_request
DELETE FROM service_request WHERE id = ?

-- name: drop_service_requests
DELETE FROM service_request WHERE batch = ?

-- name: drop_service_batch
DELETE FROM service_batch WHERE id = ?

-- name: delete_service_batches
DELETE FROM service_batch WHERE run = ?

-- name: delete_service_requests
DELETE FROM service_request WHERE run = ?
