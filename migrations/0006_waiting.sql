-- How long trainings waited for their images.

-- Of training_s. Nobody measured it before.
ALTER TABLE results ADD COLUMN waiting_s double precision NOT NULL DEFAULT 0;
