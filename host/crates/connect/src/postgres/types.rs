//! The types of columns in Postgres.

use pelton_model::spec::ColumnType;
use tokio_postgres::types::Type;

/// A column's type, and that of its arrays.
pub(super) fn types(column: ColumnType) -> (Type, Type) {
    match column {
        ColumnType::Boolean => (Type::BOOL, Type::BOOL_ARRAY),
        ColumnType::Int2 => (Type::INT2, Type::INT2_ARRAY),
        ColumnType::Int4 => (Type::INT4, Type::INT4_ARRAY),
        ColumnType::Int8 => (Type::INT8, Type::INT8_ARRAY),
        ColumnType::Float4 => (Type::FLOAT4, Type::FLOAT4_ARRAY),
        ColumnType::Float8 => (Type::FLOAT8, Type::FLOAT8_ARRAY),
        ColumnType::Numeric => (Type::NUMERIC, Type::NUMERIC_ARRAY),
        ColumnType::Text => (Type::TEXT, Type::TEXT_ARRAY),
        ColumnType::Varchar => (Type::VARCHAR, Type::VARCHAR_ARRAY),
        ColumnType::Bytea => (Type::BYTEA, Type::BYTEA_ARRAY),
        ColumnType::Timestamptz => (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
        ColumnType::Timestamp => (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
        ColumnType::Date => (Type::DATE, Type::DATE_ARRAY),
        ColumnType::Uuid => (Type::UUID, Type::UUID_ARRAY),
        ColumnType::Json => (Type::JSON, Type::JSON_ARRAY),
        ColumnType::Jsonb => (Type::JSONB, Type::JSONB_ARRAY),
    }
}
