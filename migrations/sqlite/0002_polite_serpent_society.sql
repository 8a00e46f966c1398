ALTER TABLE `steps` ADD `feedback` text;--> statement-breakpoint
ALTER TABLE `steps` ADD `tags` text;--> statement-breakpoint
CREATE INDEX `steps_tenant` ON `steps` (`tenant`,`seq`);