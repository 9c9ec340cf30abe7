module pelton/job

go 1.24
