CREATE TABLE `search_marks` (
	`words` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `search_marks` SELECT 'message_search', coalesce(max(seq), 0) FROM `messages`;
--> statement-breakpoint
-- The words of a new row are put into the index by the server, with those of others; from then on the triggers keep them in step.
DROP TRIGGER `message_search_insert`;
--> statement-breakpoint
DROP TRIGGER `message_search_update`;
--> statement-breakpoint
CREATE TRIGGER `message_search_update` AFTER UPDATE OF parts ON `messages`
WHEN old.seq <= (SELECT seq FROM search_marks WHERE words = 'message_search') BEGIN
  DELETE FROM message_search WHERE rowid = old.seq;
  INSERT INTO message_search (rowid, agent, text)
    SELECT seq, replace(agent_id, '-', ''), text FROM message_texts WHERE seq = new.seq AND text IS NOT NULL;
END;
