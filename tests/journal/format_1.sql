-- A journal of format 1, of a run of two passes with an edit between them; {folder} is its working folder.
BEGIN TRANSACTION;
CREATE TABLE event (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL,
    at          REAL NOT NULL,
    kind        TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE TABLE file (
    digest      TEXT NOT NULL,
    run         INTEGER NOT NULL,
    PRIMARY KEY (digest, run)
) WITHOUT ROWID;
CREATE TABLE node (
    run         INTEGER NOT NULL,
    address     TEXT NOT NULL,
    type        TEXT NOT NULL,
    status      TEXT NOT NULL,
    wall        REAL NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (run, address)
) WITHOUT ROWID;
INSERT INTO "node" VALUES(1,'ask','llm','success',0.030996,'{"type":"llm","status":"success","wall":0.030996,"visits":1,"count":3,"success_count":3,"error_count":0,"executor":"sequential","workers":1,"reason":"sequential was asked for","max_concurrent":1}');
INSERT INTO "node" VALUES(1,'each','workflow','success',0.010474,'{"type":"workflow","status":"success","wall":0.010474,"visits":1,"count":2,"success_count":2,"error_count":0,"executor":"sequential","workers":1,"reason":"sequential was asked for","max_concurrent":1}');
INSERT INTO "node" VALUES(1,'first','echo','success',0.003755,'{"type":"echo","status":"success","wall":0.003755,"visits":1}');
INSERT INTO "node" VALUES(1,'last','shell','failed',0.011399,'{"type":"shell","status":"failed","wall":0.011399,"visits":1,"failure":"CommandFailed: the command failed with exit code 1: cat: gate: No such file or directory"}');
INSERT INTO "node" VALUES(1,'one','llm','success',0.000553,'{"type":"llm","status":"success","wall":0.000553,"visits":1}');
INSERT INTO "node" VALUES(1,'place','code','success',0.011925,'{"type":"code","status":"success","wall":0.011925,"visits":1,"count":3,"success_count":3,"error_count":0,"executor":"thread","workers":3,"reason":"thread was asked for","max_concurrent":10}');
INSERT INTO "node" VALUES(1,'say','shell','success',0.002002,'{"type":"shell","status":"success","wall":0.002002,"visits":1,"count":2,"success_count":2,"error_count":0,"executor":"sequential","workers":1,"reason":"sequential was asked for","max_concurrent":1}');
CREATE TABLE outcome (
    id          INTEGER PRIMARY KEY,
    pass        INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    key         BLOB,
    item        TEXT,
    value       TEXT,
    wall        REAL NOT NULL,
    detail      TEXT,
    visit       INTEGER GENERATED ALWAYS AS (id >> 32) VIRTUAL,
    position    INTEGER GENERATED ALWAYS AS (id & 4294967295) VIRTUAL
);
INSERT INTO "outcome" VALUES(4294967296,1,0,NULL,NULL,'{"message":"hello","data":null,"echo":"hello","metadata":{"original_message":"hello","count":1,"modified":false}}',3.58291999873472377657e-04,'{"action":"default"}');
INSERT INTO "outcome" VALUES(8589934592,1,0,NULL,'"x"','{"response":"hello you x","llm_usage":{"model":"m","calls":1,"input_tokens":3,"output_tokens":3,"total_tokens":6,"cached_tokens":0,"cost":6e-06},"finish_reason":"stop","error":""}',6.52654000077745877206e-04,'{"records":[{"call":{"model":"m","prompt":"hello you x","response":"hello you x","input_tokens":3,"output_tokens":3,"wall":5.9e-05,"node":"","index":null,"provider":"echo","cached_tokens":0,"cost":6e-06,"attempt":1,"error":""}}]}');
INSERT INTO "outcome" VALUES(8589934593,1,0,NULL,'"y"','{"response":"hello you y","llm_usage":{"model":"m","calls":1,"input_tokens":3,"output_tokens":3,"total_tokens":6,"cached_tokens":0,"cost":6e-06},"finish_reason":"stop","error":""}',2.28839000556035898625e-04,'{"records":[{"call":{"model":"m","prompt":"hello you y","response":"hello you y","input_tokens":3,"output_tokens":3,"wall":2.7e-05,"node":"","index":null,"provider":"echo","cached_tokens":0,"cost":6e-06,"attempt":1,"error":""}}]}');
INSERT INTO "outcome" VALUES(12884901888,1,0,X'CDE55696BBF00866385AB164FF61A983','"a"','{"result":["a",0],"stdout":"","stderr":"","error":""}',5.6434800171700771898e-04,NULL);
INSERT INTO "outcome" VALUES(12884901889,1,0,X'69AB628AD24B4D609FC96A45E3908727','"b"','{"result":["b",1],"stdout":"","stderr":"","error":""}',9.03590007510501891374e-05,NULL);
INSERT INTO "outcome" VALUES(12884901890,1,0,X'5CA7F0B33A8AF808B5F2237A92BD965A','"c"','{"result":["c",2],"stdout":"","stderr":"","error":""}',7.17040002200519666075e-05,NULL);
INSERT INTO "outcome" VALUES(17179869184,1,0,NULL,'"a"','{"stdout":"a you","stdout_is_binary":false,"stderr":"","exit_code":0,"error":"","truncated":false}',1.25396539988287258893e-02,NULL);
INSERT INTO "outcome" VALUES(17179869185,1,0,NULL,'"b"','{"stdout":"b you","stdout_is_binary":false,"stderr":"","exit_code":0,"error":"","truncated":false}',8.07517299836035817861e-03,NULL);
INSERT INTO "outcome" VALUES(21474836480,1,0,NULL,NULL,'{"response":"once you","llm_usage":{"model":"m","calls":1,"input_tokens":2,"output_tokens":2,"total_tokens":4,"cached_tokens":0,"cost":4e-06},"finish_reason":"stop","error":""}',7.36902000426198355853e-04,'{"action":"default","records":[{"call":{"model":"m","prompt":"once you","response":"once you","input_tokens":2,"output_tokens":2,"wall":6.6e-05,"node":"","index":null,"provider":"echo","cached_tokens":0,"cost":4e-06,"attempt":1,"error":""}}]}');
INSERT INTO "outcome" VALUES(25769803776,1,0,NULL,'"p"','{"response":"in p","llm_usage":{"model":"echo","calls":1,"input_tokens":2,"output_tokens":2,"total_tokens":4,"cached_tokens":0,"cost":null},"finish_reason":"stop","error":""}',1.20541329997649881988e-02,'{"records":[{"sub":{"calls":[{"call":{"model":"echo","prompt":"in p","response":"in p","input_tokens":2,"output_tokens":2,"wall":5.7e-05,"node":"each[0].ask","index":null,"provider":"echo","cached_tokens":0,"cost":null,"attempt":1,"error":""}}],"environment":false,"errors":[],"degraded":false}}]}');
INSERT INTO "outcome" VALUES(25769803777,1,0,NULL,'"q"','{"response":"in q","llm_usage":{"model":"echo","calls":1,"input_tokens":2,"output_tokens":2,"total_tokens":4,"cached_tokens":0,"cost":null},"finish_reason":"stop","error":""}',3.14966600126354023814e-03,'{"records":[{"sub":{"calls":[{"call":{"model":"echo","prompt":"in q","response":"in q","input_tokens":2,"output_tokens":2,"wall":4.4e-05,"node":"each[1].ask","index":null,"provider":"echo","cached_tokens":0,"cost":null,"attempt":1,"error":""}}],"environment":false,"errors":[],"degraded":false}}]}');
INSERT INTO "outcome" VALUES(30064771072,1,1,NULL,NULL,NULL,0.00583113400170987,'{"error":{"type":"CommandFailed","message":"the command failed with exit code 1: cat: gate: No such file or directory","kind":"error_result","traceback":"","outputs":{"stdout":"","stdout_is_binary":false,"stderr":"cat: gate: No such file or directory\n","exit_code":1,"error":"the command failed with exit code 1: cat: gate: No such file or directory","truncated":false},"address":""}}');
INSERT INTO "outcome" VALUES(279172874240,2,0,NULL,'"w"','{"response":"hello you w","llm_usage":{"model":"m","calls":1,"input_tokens":3,"output_tokens":3,"total_tokens":6,"cached_tokens":0,"cost":6e-06},"finish_reason":"stop","error":""}',2.17039000017393846064e-03,'{"records":[{"call":{"model":"m","prompt":"hello you w","response":"hello you w","input_tokens":3,"output_tokens":3,"wall":8.3e-05,"node":"","index":null,"provider":"echo","cached_tokens":0,"cost":6e-06,"attempt":1,"error":""}}]}');
INSERT INTO "outcome" VALUES(279172874241,2,0,NULL,'"x"','{"response":"hello you x","llm_usage":{"model":"m","calls":1,"input_tokens":3,"output_tokens":3,"total_tokens":6,"cached_tokens":0,"cost":6e-06},"finish_reason":"stop","error":""}',6.52654000077745877206e-04,'{"records":[{"call":{"model":"m","prompt":"hello you x","response":"hello you x","input_tokens":3,"output_tokens":3,"wall":5.9e-05,"node":"","index":null,"provider":"echo","cached_tokens":0,"cost":6e-06,"attempt":1,"error":""}}]}');
INSERT INTO "outcome" VALUES(279172874242,2,0,NULL,'"y"','{"response":"hello you y","llm_usage":{"model":"m","calls":1,"input_tokens":3,"output_tokens":3,"total_tokens":6,"cached_tokens":0,"cost":6e-06},"finish_reason":"stop","error":""}',2.28839000556035898625e-04,'{"records":[{"call":{"model":"m","prompt":"hello you y","response":"hello you y","input_tokens":3,"output_tokens":3,"wall":2.7e-05,"node":"","index":null,"provider":"echo","cached_tokens":0,"cost":6e-06,"attempt":1,"error":""}}]}');
INSERT INTO "outcome" VALUES(283467841536,2,1,NULL,NULL,NULL,7.37695299903862178325e-03,'{"error":{"type":"CommandFailed","message":"the command failed with exit code 1: cat: gate: No such file or directory","kind":"error_result","traceback":"","outputs":{"stdout":"","stdout_is_binary":false,"stderr":"cat: gate: No such file or directory\n","exit_code":1,"error":"the command failed with exit code 1: cat: gate: No such file or directory","truncated":false},"address":""}}');
CREATE TABLE run (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    source      TEXT NOT NULL,
    folder      TEXT NOT NULL,
    document    TEXT NOT NULL,
    inputs      TEXT NOT NULL,
    settings    TEXT NOT NULL,
    status      TEXT NOT NULL,
    passes      INTEGER NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL,
    wall        REAL,
    result      TEXT
);
INSERT INTO "run" VALUES(1,'b3f131e9','document','{folder}','{"inputs":{"who":{"type":"string","default":"you"}},"prices":{"m":{"input":1,"output":1}},"nodes":[{"id":"first","type":"echo","params":{"message":"hello"}},{"id":"ask","type":"llm","params":{"provider":"echo","model":"m","prompt":"${first.echo} ${who} ${item}","timeout":5},"batch":{"items":["w","x","y"]}},{"id":"place","type":"code","params":{"code":"result = [x, i]","inputs":{"x":"${item}","i":"${__index__}"}},"batch":{"items":["a","b","c"],"executor":"thread"}},{"id":"say","type":"shell","params":{"command":"echo ${item} ${who}","timeout":9},"batch":{"items":["a","b"]}},{"id":"one","type":"llm","params":{"provider":"echo","model":"m","prompt":"once ${who}","timeout":5}},{"id":"each","type":"workflow","params":{"workflow":{"inputs":{"word":{"type":"string"}},"nodes":[{"id":"ask","type":"llm","params":{"provider":"echo","prompt":"in ${word}"}}]},"inputs":{"word":"${item}"}},"batch":{"items":["p","q"]}},{"id":"last","type":"shell","params":{"command":"cat gate"}}]}','{"who":"you"}','{"executor":null,"jobs":null}','failed',2,1.79591352272300314903e+09,1.79591352305228090283e+09,0.080414,NULL);
CREATE TABLE sequence (next_visit INTEGER NOT NULL);
INSERT INTO "sequence" VALUES(129);
CREATE TABLE visit (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL,
    address     TEXT NOT NULL,
    occurrence  INTEGER NOT NULL,
    key         BLOB,
    is_batch    INTEGER NOT NULL,
    pass        INTEGER NOT NULL,
    total       INTEGER
);
INSERT INTO "visit" VALUES(1,1,'first',0,X'35A9D878C9C56146037E7AFC8052129A',0,1,NULL);
INSERT INTO "visit" VALUES(2,1,'ask',0,X'5A2E817AA061D5F457324554D57A0CF1',1,1,2);
INSERT INTO "visit" VALUES(3,1,'place',0,X'7B4A233914666F21DAE26178CBDCEFBB',1,1,3);
INSERT INTO "visit" VALUES(4,1,'say',0,X'7D0C03CCD9E84610C73EE428EFB9D62A',1,1,2);
INSERT INTO "visit" VALUES(5,1,'one',0,X'6B5DCE76627A50826596513678F91A74',0,1,NULL);
INSERT INTO "visit" VALUES(6,1,'each',0,X'05D9A8BE2114EDA6FE971ECE712FABE4',1,1,2);
INSERT INTO "visit" VALUES(7,1,'last',0,X'C9D36C16D55D0D7186A05BC87A75A654',0,1,NULL);
INSERT INTO "visit" VALUES(65,1,'ask',0,X'5A2E817AA061D5F457324554D57A0CF1',1,2,3);
INSERT INTO "visit" VALUES(66,1,'last',0,X'C9D36C16D55D0D7186A05BC87A75A654',0,2,NULL);
CREATE INDEX visit_of_run ON visit (run, address, occurrence, id);
CREATE INDEX visit_by_key ON visit (key, id);
CREATE INDEX event_of_run ON event (run, id);
COMMIT;
