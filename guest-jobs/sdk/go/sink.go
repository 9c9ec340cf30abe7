package job

import (
	"strconv"

	"pelton/job/internal/wire"
)

// Sink is where outputs go: a topic, a table or a statement.
type Sink struct {
	name string
	kind sinkKind
	// The topic, the table or the SQL.
	target     string
	columns    []ColumnSpec
	key        []string
	onConflict conflict
}

type sinkKind uint8

// The numbers are those of the contract's variant `target`.
const (
	topicSink sinkKind = iota
	tableSink
	statementSink
)

type conflict uint8

// The numbers are those of the contract's enum `conflict`.
const (
	fail conflict = iota
	ignore
	update
)

// Type is a type of Postgres that a column or a placeholder may have. [Outputs.Row] says which values it takes.
type Type = wire.Type

// The types. Timestamps are microseconds since 1970-01-01 00:00:00 (UTC), as UnixMicro of a time.Time gives them; dates
// are days since 1970-01-01.
const (
	Boolean     = wire.Boolean
	Int2        = wire.Int2
	Int4        = wire.Int4
	Int8        = wire.Int8
	Float4      = wire.Float4
	Float8      = wire.Float8
	Numeric     = wire.Numeric
	Text        = wire.Text
	Varchar     = wire.Varchar
	Bytea       = wire.Bytea
	Timestamptz = wire.Timestamptz
	Timestamp   = wire.Timestamp
	Date        = wire.Date
	UUID        = wire.UUID
	JSON        = wire.JSON
	JSONB       = wire.JSONB
)

// ColumnSpec is a column of a table, made by [Column].
type ColumnSpec struct {
	name     string
	kind     Type
	nullable bool
}

// Column is a column that takes no nulls.
func Column(name string, kind Type) ColumnSpec {
	return ColumnSpec{name: name, kind: kind}
}

// Nullable is the same column, taking nulls.
func (c ColumnSpec) Nullable() ColumnSpec {
	c.nullable = true
	return c
}

// Topic is a Kafka topic. The sink's name is the topic's.
func Topic(topic string) *Sink {
	return &Sink{name: topic, kind: topicSink, target: topic}
}

// Table is a Postgres table, `table` or `schema.table`, with the columns that the job fills. The sink's name is the
// table's. A row whose key is already in the table goes to the dead-letter topic, unless [Sink.OnConflictIgnore] or
// [Sink.OnConflictUpdate] says otherwise.
func Table(table string, columns ...ColumnSpec) *Sink {
	return &Sink{name: table, kind: tableSink, target: table, columns: columns}
}

// Statement is one INSERT, UPDATE or DELETE, run once for each row, with placeholders `?` or `$1`, `$2`, … of these
// types. Every placeholder takes nulls.
func Statement(name, sql string, placeholders ...Type) *Sink {
	sink := &Sink{name: name, kind: statementSink, target: sql}
	for _, kind := range placeholders {
		sink.columns = append(sink.columns, ColumnSpec{kind: kind, nullable: true})
	}
	return sink
}

// Named gives the sink another name, unique in the job; it appears in metrics and on the page.
func (s *Sink) Named(name string) *Sink {
	s.name = name
	return s
}

// OnConflictIgnore leaves the row that is there. The key is the columns of a unique constraint.
func (s *Sink) OnConflictIgnore(key ...string) *Sink {
	s.onConflict, s.key = ignore, key
	return s
}

// OnConflictUpdate overwrites the row that is there; within a batch the last one wins. The key is the columns of a
// unique constraint.
func (s *Sink) OnConflictUpdate(key ...string) *Sink {
	s.onConflict, s.key = update, key
	return s
}

// value names the n-th value of a row in messages.
func (s *Sink) value(n int) string {
	if s.kind == statementSink {
		return "placeholder " + strconv.Itoa(n+1)
	}
	return "column `" + s.columns[n].name + "`"
}
