module jobs/{{name}}

go 1.24

require pelton/job v0.0.0

replace pelton/job => ./sdk
