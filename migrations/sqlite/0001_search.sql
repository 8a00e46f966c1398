-- Words of messages and passages. A row that is written, changed or deleted, by whatever statement, keeps these in step.
-- A later migration that rebuilds `messages` or `passages` must drop the view first, and make view and triggers again.
-- `agent` is one word, so a search goes through the rows of one agent only. The texts themselves are not kept twice.
CREATE VIRTUAL TABLE `message_search` USING fts5(agent, text, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
--> statement-breakpoint
CREATE VIRTUAL TABLE `passage_search` USING fts5(agent, text, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
--> statement-breakpoint
-- What was said, and nothing else: no system prompt, thoughts, tool results, summaries, and no searches.
CREATE VIEW `message_texts` AS
SELECT seq, id, tenant, agent_id, run_id, role, name, date, in_context, (
  SELECT group_concat(said, char(10)) FROM (
    SELECT CASE value->>'type'
      WHEN 'text' THEN value->>'text'
      WHEN 'tool_call' THEN
        CASE WHEN value->>'name' = 'send_message' AND json_valid(value->>'arguments')
        THEN json_extract(value->>'arguments', '$.message') END
      END AS said
    FROM json_each(parts)
  ) WHERE said <> ''
) AS text
FROM messages
WHERE (role IN ('user', 'assistant', 'approval') OR (role = 'system' AND run_id IS NOT NULL))
  AND NOT EXISTS (
    SELECT 1 FROM json_each(parts) WHERE value->>'type' = 'tool_call' AND value->>'name' IN ('conversation_search', 'search_memory')
  );
--> statement-breakpoint
CREATE TRIGGER `message_search_insert` AFTER INSERT ON `messages` BEGIN
  INSERT INTO message_search (rowid, agent, text)
    SELECT seq, replace(agent_id, '-', ''), text FROM message_texts WHERE seq = new.seq AND text IS NOT NULL;
END;
--> statement-breakpoint
CREATE TRIGGER `message_search_update` AFTER UPDATE OF parts ON `messages` BEGIN
  DELETE FROM message_search WHERE rowid = old.seq;
  INSERT INTO message_search (rowid, agent, text)
    SELECT seq, replace(agent_id, '-', ''), text FROM message_texts WHERE seq = new.seq AND text IS NOT NULL;
END;
--> statement-breakpoint
CREATE TRIGGER `message_search_delete` AFTER DELETE ON `messages` BEGIN
  DELETE FROM message_search WHERE rowid = old.seq;
END;
--> statement-breakpoint
CREATE TRIGGER `passage_search_insert` AFTER INSERT ON `passages` BEGIN
  INSERT INTO passage_search (rowid, agent, text) VALUES (new.seq, replace(new.agent_id, '-', ''), new.text);
END;
--> statement-breakpoint
CREATE TRIGGER `passage_search_update` AFTER UPDATE OF text ON `passages` BEGIN
  DELETE FROM passage_search WHERE rowid = old.seq;
  INSERT INTO passage_search (rowid, agent, text) VALUES (new.seq, replace(new.agent_id, '-', ''), new.text);
END;
--> statement-breakpoint
CREATE TRIGGER `passage_search_delete` AFTER DELETE ON `passages` BEGIN
  DELETE FROM passage_search WHERE rowid = old.seq;
END;
--> statement-breakpoint
INSERT INTO message_search (rowid, agent, text)
  SELECT seq, replace(agent_id, '-', ''), text FROM message_texts WHERE text IS NOT NULL;
