//go:build wasip1

package abi

// Spec is the contract's `spec`. Its parts are made by the functions below.
type Spec struct{ name, version, description, sources, sinks, parameters list }

// Source is the contract's `source`.
type Source struct {
	topic   list
	headers bool
	_       [3]uint8
}

// Sink is the contract's `sink`. Of its target's cases the table is the longest.
type Sink struct {
	name   list
	tag    uint8
	_      [3]uint8
	target [3]list
	// Of a table: its `conflict`.
	onConflict uint8
	_          [3]uint8
}

// Column is the contract's `column-spec`.
type Column struct {
	name     list
	kind     uint8
	nullable bool
	_        [2]uint8
}

// Parameter is the contract's `parameter`.
type Parameter struct {
	name, description list
	hasDefault        bool
	_                 [3]uint8
	value             list
}

// The cases of the contract's variant `target`.
const (
	topic = iota
	table
	statement
)

// LowerSpec is a job's description.
func LowerSpec(name, version, description string, sources []Source, sinks []Sink, parameters []Parameter) uint32 {
	return Address(&Spec{
		lowerString(name), lowerString(version), lowerString(description), lower(sources), lower(sinks), lower(parameters),
	})
}

// LowerSource is a topic that is read.
func LowerSource(topic string, headers bool) Source {
	return Source{topic: lowerString(topic), headers: headers}
}

// LowerTopic is a topic that is written to.
func LowerTopic(name, target string) Sink {
	return Sink{name: lowerString(name), tag: topic, target: [3]list{lowerString(target)}}
}

// LowerTable is a table that is written to.
func LowerTable(name, target string, columns []Column, key []string, onConflict uint8) Sink {
	names := make([]list, len(key))
	for i, column := range key {
		names[i] = lowerString(column)
	}
	return Sink{
		name: lowerString(name), tag: table, target: [3]list{lowerString(target), lower(columns), lower(names)},
		onConflict: onConflict,
	}
}

// LowerStatement is a statement that is run.
func LowerStatement(name, sql string, placeholders []uint8) Sink {
	return Sink{name: lowerString(name), tag: statement, target: [3]list{lowerString(sql), lower(placeholders)}}
}

// LowerColumn is a column of a table.
func LowerColumn(name string, kind uint8, nullable bool) Column {
	return Column{name: lowerString(name), kind: kind, nullable: nullable}
}

// LowerParameter is a setting; without a default it is required.
func LowerParameter(name, description, value string, hasDefault bool) Parameter {
	return Parameter{
		name: lowerString(name), description: lowerString(description), hasDefault: hasDefault, value: lowerString(value),
	}
}
