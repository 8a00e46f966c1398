CREATE INDEX `messages_tenant` ON `messages` (`tenant`,`seq`) WHERE heard = 0;--> statement-breakpoint
CREATE INDEX `steps_run` ON `steps` (`run_id`,`seq`);