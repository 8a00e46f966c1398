CREATE TABLE `agent_blocks` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`agent_id` text NOT NULL,
	`block_id` text NOT NULL,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`block_id`) REFERENCES `blocks`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `agent_blocks_pair` ON `agent_blocks` (`agent_id`,`block_id`);--> statement-breakpoint
CREATE INDEX `agent_blocks_block` ON `agent_blocks` (`block_id`);--> statement-breakpoint
CREATE TABLE `agent_tags` (
	`agent_id` text NOT NULL,
	`tag` text NOT NULL,
	PRIMARY KEY(`agent_id`, `tag`),
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `agent_tags_tag` ON `agent_tags` (`tag`);--> statement-breakpoint
CREATE TABLE `agent_tools` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`agent_id` text NOT NULL,
	`tool_id` text NOT NULL,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`tool_id`) REFERENCES `tools`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `agent_tools_pair` ON `agent_tools` (`agent_id`,`tool_id`);--> statement-breakpoint
CREATE INDEX `agent_tools_tool` ON `agent_tools` (`tool_id`);--> statement-breakpoint
CREATE TABLE `agents` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text NOT NULL,
	`settings` text NOT NULL,
	`secrets` text NOT NULL,
	`hidden` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `agents_id_unique` ON `agents` (`id`);--> statement-breakpoint
CREATE INDEX `agents_tenant` ON `agents` (`tenant`,`seq`);--> statement-breakpoint
CREATE TABLE `approvals` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`run_id` text NOT NULL,
	`step_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`group_id` text,
	`calls` text NOT NULL,
	`allowed` text NOT NULL,
	`status` text NOT NULL,
	`answered_by` text,
	`expires_at` integer,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`run_id`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `approvals_id_unique` ON `approvals` (`id`);--> statement-breakpoint
CREATE INDEX `approvals_agent` ON `approvals` (`agent_id`,`status`);--> statement-breakpoint
CREATE INDEX `approvals_group` ON `approvals` (`group_id`,`status`);--> statement-breakpoint
CREATE INDEX `approvals_run` ON `approvals` (`run_id`);--> statement-breakpoint
CREATE TABLE `blocks` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`label` text,
	`value` text NOT NULL,
	`limit` integer NOT NULL,
	`description` text,
	`read_only` integer DEFAULT false NOT NULL,
	`metadata` text,
	`tags` text,
	`project_id` text,
	`hosted` text NOT NULL,
	`hidden` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `blocks_id_unique` ON `blocks` (`id`);--> statement-breakpoint
CREATE INDEX `blocks_tenant` ON `blocks` (`tenant`,`seq`);--> statement-breakpoint
CREATE TABLE `busy` (
	`target` text PRIMARY KEY NOT NULL,
	`run_id` text NOT NULL,
	FOREIGN KEY (`run_id`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `busy_run` ON `busy` (`run_id`);--> statement-breakpoint
CREATE TABLE `group_blocks` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`group_id` text NOT NULL,
	`block_id` text NOT NULL,
	FOREIGN KEY (`group_id`) REFERENCES `groups`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`block_id`) REFERENCES `blocks`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `group_blocks_pair` ON `group_blocks` (`group_id`,`block_id`);--> statement-breakpoint
CREATE INDEX `group_blocks_block` ON `group_blocks` (`block_id`);--> statement-breakpoint
CREATE TABLE `group_members` (
	`group_id` text NOT NULL,
	`position` integer NOT NULL,
	`agent_id` text NOT NULL,
	PRIMARY KEY(`group_id`, `position`),
	FOREIGN KEY (`group_id`) REFERENCES `groups`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `group_members_agent` ON `group_members` (`agent_id`);--> statement-breakpoint
CREATE TABLE `groups` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`manager_type` text NOT NULL,
	`manager_agent_id` text,
	`description` text NOT NULL,
	`project_id` text,
	`hidden` integer,
	`termination_token` text,
	`max_turns` integer,
	`sleeptime_agent_frequency` integer,
	`turns_counter` integer,
	`last_processed_message_id` text,
	`max_message_buffer_length` integer,
	`min_message_buffer_length` integer,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`manager_agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE restrict
);
--> statement-breakpoint
CREATE UNIQUE INDEX `groups_id_unique` ON `groups` (`id`);--> statement-breakpoint
CREATE INDEX `groups_tenant` ON `groups` (`tenant`,`seq`);--> statement-breakpoint
CREATE UNIQUE INDEX `groups_manager` ON `groups` (`manager_agent_id`);--> statement-breakpoint
CREATE TABLE `keys` (
	`hash` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `log` (
	`id` integer PRIMARY KEY NOT NULL,
	`runs` text NOT NULL,
	`frames` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `messages` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`agent_id` text NOT NULL,
	`group_id` text,
	`run_id` text,
	`step_id` text,
	`role` text NOT NULL,
	`parts` text NOT NULL,
	`name` text,
	`sender_id` text,
	`otid` text,
	`is_err` integer DEFAULT false NOT NULL,
	`date` integer NOT NULL,
	`in_context` integer DEFAULT true NOT NULL,
	`place` integer,
	`heard` integer DEFAULT false NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`run_id`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE UNIQUE INDEX `messages_id_unique` ON `messages` (`id`);--> statement-breakpoint
CREATE INDEX `messages_agent` ON `messages` (`agent_id`,`seq`);--> statement-breakpoint
CREATE INDEX `messages_context` ON `messages` (`agent_id`,`seq`) WHERE in_context = 1;--> statement-breakpoint
CREATE INDEX `messages_group` ON `messages` (`group_id`,`seq`) WHERE heard = 0;--> statement-breakpoint
CREATE INDEX `messages_run` ON `messages` (`run_id`,`seq`);--> statement-breakpoint
CREATE TABLE `passages` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`agent_id` text NOT NULL,
	`text` text NOT NULL,
	`tags` text NOT NULL,
	`vector` blob,
	`vector_model` text,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `passages_id_unique` ON `passages` (`id`);--> statement-breakpoint
CREATE INDEX `passages_agent` ON `passages` (`agent_id`,`seq`);--> statement-breakpoint
CREATE TABLE `runs` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`agent_id` text NOT NULL,
	`group_id` text,
	`status` text NOT NULL,
	`stop_reason` text,
	`ended_by` text,
	`background` integer DEFAULT false NOT NULL,
	`run_type` text NOT NULL,
	`admission` text NOT NULL,
	`error` text,
	`created_at` integer NOT NULL,
	`completed_at` integer,
	`first_frame_ms` integer,
	`duration_ms` integer,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `runs_id_unique` ON `runs` (`id`);--> statement-breakpoint
CREATE INDEX `runs_tenant` ON `runs` (`tenant`,`seq`);--> statement-breakpoint
CREATE INDEX `runs_agent` ON `runs` (`agent_id`,`seq`);--> statement-breakpoint
CREATE INDEX `runs_group` ON `runs` (`group_id`,`seq`);--> statement-breakpoint
CREATE INDEX `runs_open` ON `runs` (`status`) WHERE status in ('created', 'running');--> statement-breakpoint
CREATE TABLE `segments` (
	`run` integer NOT NULL,
	`first` integer NOT NULL,
	`last` integer NOT NULL,
	`final` integer DEFAULT false NOT NULL,
	`frames` text NOT NULL,
	PRIMARY KEY(`run`, `first`),
	FOREIGN KEY (`run`) REFERENCES `runs`(`seq`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `steps` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`run_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`turn` integer NOT NULL,
	`place` integer NOT NULL,
	`kind` text NOT NULL,
	`status` text NOT NULL,
	`stop_reason` text,
	`recorded` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`run_id`) REFERENCES `runs`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `steps_id_unique` ON `steps` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `steps_place` ON `steps` (`run_id`,`turn`,`place`,`kind`) WHERE status = 'success';--> statement-breakpoint
CREATE TABLE `tenants` (
	`id` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `tools` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text NOT NULL,
	`definition` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`tenant`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tools_id_unique` ON `tools` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `tools_name` ON `tools` (`tenant`,`name`);