CREATE TABLE `leases` (
	`epoch` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `request_keys` (
	`tenant` text NOT NULL,
	`target` text NOT NULL,
	`key` text NOT NULL,
	`hash` text NOT NULL,
	`run_id` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant`, `target`, `key`),
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`run_id`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `request_keys_age` ON `request_keys` (`created_at`);--> statement-breakpoint
CREATE INDEX `request_keys_run` ON `request_keys` (`run_id`);--> statement-breakpoint
ALTER TABLE `runs` ADD `epoch` integer;--> statement-breakpoint
ALTER TABLE `runs` ADD `crashes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `begun` integer;--> statement-breakpoint
UPDATE `runs` SET `begun` = `seq`;--> statement-breakpoint
CREATE INDEX `runs_begun` ON `runs` (`begun`);--> statement-breakpoint
CREATE INDEX `runs_group_begun` ON `runs` (`group_id`,`begun`);