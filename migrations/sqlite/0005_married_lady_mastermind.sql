DROP INDEX `runs_open`;--> statement-breakpoint
CREATE INDEX `runs_open` ON `runs` (`status`,`tenant`) WHERE status in ('created', 'running');