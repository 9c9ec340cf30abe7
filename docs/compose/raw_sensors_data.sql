-- Run by the Postgres container when it makes its database, as the owner of flinkdb.
CREATE TABLE raw_sensors_data (
    message_id VARCHAR(255) PRIMARY KEY,
    sensor_id INT NOT NULL,
    message TEXT NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL
);
