/*
 * The sensor readings of the example jobs: parsed, checked, and printed as the article's Python prints them. The same
 * as the Rust jobs' crate `sensors`, to the byte.
 *
 * One pass over the text notes where each field begins and ends and whether the inner object is spaced as `json.dumps`
 * spaces it; so most of a reading is handed out as slices of the record.
 */
#ifndef SENSORS_H
#define SENSORS_H

#include "sensors_json.h"

#include <math.h>
#include <stdio.h>

/* A reading that every sink can take. Slices of the record, or of memory that the next reading uses again. */
typedef struct reading {
    pelton_bytes message_id; /* holds no NUL */
    int32_t sensor_id;
    pelton_bytes message; /* a JSON object, spaced as json.dumps does; holds no NUL, not even escaped */
    double temperature;   /* degrees Celsius; finite */
    pelton_bytes timestamp;
    int64_t microseconds; /* since 1970-01-01 00:00:00 UTC */
    pelton_bytes sensor_id_text, temperature_text; /* as the source wrote them */
} reading;

/* === Times === */

static bool two_digits(const char *text, int64_t *number) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') return false;
    *number = (text[0] - '0') * 10 + (text[1] - '0');
    return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar from year 1. Years are counted from March, so that the leap
 * day is the last day of one. */
static int64_t days(int64_t year, int64_t month, int64_t day) {
    if (month <= 2) year--;
    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 1 - 719468;
}

/* Microseconds since 1970-01-01 00:00:00 UTC of a time such as `2024-05-02T10:11:12.123456+00:00`. Digits beyond the
 * microsecond are cut off; second 60 is the first of the next minute. */
static bool microseconds(pelton_bytes time, int64_t *result) {
    const char *text = time.data, *end = text + time.size, *at = text + 19;
    int64_t century, year, month, day, hour, minute, second, fraction = 0, offset = 0;
    if (time.size < 20 || text[4] != '-' || text[7] != '-' || ((text[10] | 0x20) != 't' && text[10] != ' ') ||
        text[13] != ':' || text[16] != ':' || !two_digits(text, &century) || !two_digits(text + 2, &year) ||
        !two_digits(text + 5, &month) || !two_digits(text + 8, &day) || !two_digits(text + 11, &hour) ||
        !two_digits(text + 14, &minute) || !two_digits(text + 17, &second)) {
        return false;
    }
    year += century * 100;
    if (*at == '.') {
        const char *digits = ++at;
        for (int64_t unit = 100000; at < end && *at >= '0' && *at <= '9'; unit /= 10) fraction += (*at++ - '0') * unit;
        if (at == digits) return false;
    }
    if (end - at == 6 && (*at == '+' || *at == '-') && at[3] == ':') {
        int64_t hours, minutes;
        if (!two_digits(at + 1, &hours) || !two_digits(at + 4, &minutes) || hours > 23 || minutes > 59) return false;
        offset = (hours * 60 + minutes) * (*at == '-' ? -1 : 1);
    } else if (end - at != 1 || (*at | 0x20) != 'z') {
        return false;
    }
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t month_days = month == 2 ? 28 + is_leap : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days || hour > 23 || minute > 59 || second > 60) return false;
    *result = (((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000000 + fraction;
    return true;
}

/* === Numbers === */

/* The value of a number of JSON. Up to 15 digits and powers of ten that a double holds exactly give the nearest double
 * with one operation; `strtod` takes four times as long, and has the rest. */
static double number_value(pelton_bytes text) {
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15};
    const char *at = text.data, *end = at + text.size;
    bool is_negative = *at == '-', has_point = false;
    uint64_t digits = 0;
    size_t fraction = 0;
    if (is_negative) at++;
    if (end - at <= 16) {
        for (; at < end; at++) {
            if (*at == '.' && !has_point) has_point = true;
            else if (*at >= '0' && *at <= '9') digits = digits * 10 + (uint64_t)(*at - '0'), fraction += has_point;
            else break;
        }
        if (at == end && digits < 1000000000000000) {
            double value = (double)digits / powers[fraction];
            return is_negative ? -value : value;
        }
    }
    /* A number's text is followed by something that is no part of one, but not by a zero byte. */
    char copy[400], *longer = text.size < sizeof copy ? copy : malloc(text.size + 1);
    if (!longer) return NAN;
    memcpy(longer, text.data, text.size);
    longer[text.size] = 0;
    double value = strtod(longer, NULL);
    if (longer != copy) free(longer);
    return value;
}

/* Whether a number is plainly printed as Python would: up to 15 digits are always kept, so none of them may be a zero
 * too many, and the number is not so small that it gets an exponent. */
static bool is_repr(pelton_bytes text) {
    if (text.size && text.data[0] == '-') text.data++, text.size--;
    const char *point = memchr(text.data, '.', text.size);
    if (!point || text.size > 16) return false;
    size_t whole = (size_t)(point - text.data), fraction = text.size - whole;
    if (whole == 1 && text.data[0] == '0' && fraction >= 4 && !memcmp(point, ".000", 4)) return false;
    if (fraction != 2 && point[fraction - 1] == '0') return false;
    for (size_t n = 1; n < fraction; n++) {
        if (point[n] < '0' || point[n] > '9') return false;
    }
    return true;
}

/* Prints a number as `repr(float)` does: the fewest digits that read back as the same, `30.0`, `1e-05`, `1e+16`. */
static void append_float(pelton_buffer *to, pelton_bytes text, double number) {
    if (is_repr(text)) {
        pelton_append(to, text.data, text.size);
        return;
    }
    /* Where 15 digits read back as the same, the fewest are these without zeros at their end; but a number close to
     * zero has fewer. */
    char digits[32];
    int precision = fabs(number) < 0x1p-1022 ? 1 : 15;
    do snprintf(digits, sizeof digits, "%.*e", precision - 1, number);
    while (strtod(digits, NULL) != number && ++precision <= 17);
    char *exponent = strchr(digits, 'e'), *last = exponent - 1;
    int ten = atoi(exponent + 1);
    for (; *last == '0' && precision > 1; last--) precision--;
    if (ten >= -4 && ten < 16) {
        pelton_appendf(to, "%.*f", precision - 1 - ten > 1 ? precision - 1 - ten : 1, number);
        return;
    }
    pelton_append(to, digits, (size_t)(last + (*last != '.') - digits));
    pelton_append(to, exponent, strlen(exponent));
}

/* === One reading === */

/* The fields as they stand in the text, null where missing. Of a field that comes twice the last one counts. */
typedef struct fields {
    pelton_bytes message_id, sensor_id, timestamp, message, temperature;
    bool is_spaced, has_nul;
} fields;

static inline bool is_name(pelton_bytes name, const char *text, size_t size) {
    return name.size == size && !memcmp(name.data, text, size);
}

static bool message_member(reader *json, pelton_bytes name, void *context) {
    fields *fields = context;
    bool is_temperature = is_name(name, "temperature", 11);
    pelton_bytes value;
    if (!read_value(json, &value)) return false;
    if (is_temperature) fields->temperature = value;
    return true;
}

static bool field_member(reader *json, pelton_bytes name, void *context) {
    fields *fields = context;
    pelton_bytes other;
    if (is_name(name, "message_id", 10)) return read_value(json, &fields->message_id);
    if (is_name(name, "sensor_id", 9)) return read_value(json, &fields->sensor_id);
    if (is_name(name, "timestamp", 9)) return read_value(json, &fields->timestamp);
    if (!is_name(name, "message", 7)) return read_value(json, &other);
    const char *start = json->at;
    json->is_spaced = true, json->has_nul = false, fields->temperature = PELTON_NULL;
    if (next(json) != '{' ? !read_value(json, &other) : !read_members(json, message_member, fields)) return false;
    fields->message = (pelton_bytes){start, (size_t)(json->at - start)};
    fields->is_spaced = json->is_spaced, fields->has_nul = json->has_nul;
    return true;
}

static bool missing(pelton_out *out, const char *name, const char *place) {
    return pelton_reject(out, "missing field `%s` in %s", name, place);
}

/* Names the field, and shows the first 60 characters of what it holds. */
static bool wrong(pelton_out *out, const char *name, const char *what, pelton_bytes text) {
    size_t characters = 0, end = 0;
    for (; end < text.size; end++) {
        if ((text.data[end] & 0xC0) != 0x80 && ++characters > 60) break;
    }
    return pelton_reject(out, "`%s` is %s: %.*s%s", name, what, (int)end, text.data, end < text.size ? "…" : "");
}

static bool read_text(pelton_out *out, const char *name, pelton_bytes field, pelton_buffer *memory, pelton_bytes *text) {
    if (!field.data) return missing(out, name, "value");
    if (field.data[0] != '"') return wrong(out, name, "not a string", field);
    *text = (pelton_bytes){field.data + 1, field.size - 2};
    if (plain_bytes(text->data, text->size) == text->size) return true;
    memory->size = 0;
    if (!unescape(field, memory)) return wrong(out, name, "not valid Unicode", field);
    *text = pelton_view(memory);
    return true;
}

static bool read_int4(pelton_out *out, const char *name, pelton_bytes field, int32_t *number) {
    if (!field.data) return missing(out, name, "value");
    bool is_negative = field.data[0] == '-';
    int64_t value = 0;
    for (size_t n = is_negative; n < field.size; n++) {
        if (field.data[n] < '0' || field.data[n] > '9') return wrong(out, name, "not an integer", field);
        value = value * 10 + (field.data[n] - '0');
        if (value > (int64_t)INT32_MAX + is_negative) return wrong(out, name, "beyond the range of INT", field);
    }
    *number = (int32_t)(is_negative ? -value : value);
    return true;
}

/* Gives valid JSON the spacing of json.dumps: one blank after each comma and colon, no other outside strings. */
static pelton_bytes respace(pelton_bytes json) {
    static pelton_buffer spaced;
    bool in_string = false, is_escaped = false;
    spaced.size = 0;
    for (size_t n = 0; n < json.size; n++) {
        char byte = json.data[n];
        if (in_string) {
            in_string = is_escaped || byte != '"';
            is_escaped = !is_escaped && byte == '\\';
        } else if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
            continue;
        } else {
            in_string = byte == '"';
        }
        pelton_append(&spaced, &byte, 1);
        if (!in_string && (byte == ',' || byte == ':')) pelton_append(&spaced, " ", 1);
    }
    return pelton_view(&spaced);
}

static bool not_json(pelton_out *out, const reader *json) {
    size_t line = 1;
    const char *line_start = json->start;
    for (const char *at = json->start; at < json->at; at++) {
        if (*at == '\n') line++, line_start = at + 1;
    }
    return pelton_reject(out, "value is not JSON: expected %s at line %zu column %zu", json->expected, line,
                         (size_t)(json->at - line_start) + 1);
}

/* Reads the value of a record; false after rejecting the record for what is wrong with it. */
static bool read_reading(const pelton_record *record, pelton_out *out, reading *reading) {
    static pelton_buffer id_memory, time_memory;
    pelton_bytes text, other;
    if (!pelton_record_text(record, out, &text)) return false;
    reader json = {.start = text.data, .at = text.data, .end = text.data + text.size};
    fields fields = {0};
    blanks(&json, 0);
    bool is_object = next(&json) == '{';
    if (is_object ? !read_members(&json, field_member, &fields) : !read_value(&json, &other)) return not_json(out, &json);
    blanks(&json, 0);
    if (json.at < json.end) return expected(&json, "nothing more"), not_json(out, &json);
    if (!is_object) return pelton_reject(out, "value is not a JSON object");
    if (!read_text(out, "message_id", fields.message_id, &id_memory, &reading->message_id)) return false;
    /* Only what was escaped can be one: JSON has no bare control characters. */
    if (reading->message_id.data == id_memory.data && memchr(id_memory.data, 0, id_memory.size)) {
        return pelton_reject(out, "`message_id` holds a NUL character");
    }
    if (!fields.message.data) return missing(out, "message", "value");
    if (fields.message.data[0] != '{') return wrong(out, "message", "not a JSON object", fields.message);
    if (fields.has_nul) return pelton_reject(out, "`message` holds a NUL character");
    if (!fields.temperature.data) return missing(out, "temperature", "`message`");
    if (!read_text(out, "timestamp", fields.timestamp, &time_memory, &reading->timestamp)) return false;
    if (!microseconds(reading->timestamp, &reading->microseconds)) {
        return wrong(out, "timestamp", "not a time with offset (RFC 3339)", fields.timestamp);
    }
    if (!read_int4(out, "sensor_id", fields.sensor_id, &reading->sensor_id)) return false;
    char first = fields.temperature.data[0];
    if (first != '-' && (first < '0' || first > '9')) return wrong(out, "temperature", "not a number", fields.temperature);
    reading->temperature = number_value(fields.temperature);
    if (!isfinite(reading->temperature)) return wrong(out, "temperature", "beyond the range of a double", fields.temperature);
    reading->message = fields.is_spaced ? fields.message : respace(fields.message);
    reading->sensor_id_text = fields.sensor_id;
    reading->temperature_text = fields.temperature;
    return true;
}

/* === Writing the alert === */

/* Prints a string as json.dumps does: quoted, with everything but printable ASCII escaped. The text is UTF-8. */
static void append_string(pelton_buffer *to, pelton_bytes text) {
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.size, *plain = at;
    pelton_append(to, "\"", 1);
    while (at < end) {
        if (*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\') {
            at++;
            continue;
        }
        pelton_append(to, plain, (size_t)(at - plain));
        const char *kind = *at ? strchr("\"\\\n\r\t\b\f", *at) : NULL;
        if (kind && *at < 0x80) {
            pelton_appendf(to, "\\%c", "\"\\nrtbf"[kind - strchr("\"\\\n\r\t\b\f", '"')]);
            plain = ++at;
            continue;
        }
        size_t more = *at < 0x80 ? 0 : *at < 0xE0 ? 1 : *at < 0xF0 ? 2 : 3;
        uint32_t code = more ? *at & (0x3Fu >> more) : *at;
        for (size_t n = 1; n <= more; n++) code = code << 6 | (at[n] & 0x3F);
        if (code >= 0x10000) {
            code -= 0x10000;
            pelton_appendf(to, "\\u%04x\\u%04x", (unsigned)(0xD800 + (code >> 10)), (unsigned)(0xDC00 + (code & 0x3FF)));
        } else {
            pelton_appendf(to, "\\u%04x", (unsigned)code);
        }
        plain = at += more + 1;
    }
    pelton_append(to, plain, (size_t)(at - plain));
    pelton_append(to, "\"", 1);
}

static void append_literal(pelton_buffer *to, const char *text) {
    pelton_append(to, text, strlen(text));
}

/* Sends the alert on a reading, with the record's key, as the article's job does: `json.dumps` of a dictionary. */
static void send_alert(const pelton_record *record, pelton_out *out, const pelton_sink *sink, const reading *reading) {
    static pelton_buffer alert;
    alert.size = 0;
    append_literal(&alert, "{\"message_id\": ");
    append_string(&alert, reading->message_id);
    append_literal(&alert, ", \"sensor_id\": ");
    /* The one integer of JSON that Python prints otherwise is -0. */
    if (reading->sensor_id == 0) append_literal(&alert, "0");
    else pelton_append(&alert, reading->sensor_id_text.data, reading->sensor_id_text.size);
    append_literal(&alert, ", \"temperature\": ");
    append_float(&alert, reading->temperature_text, reading->temperature);
    append_literal(&alert, ", \"alert\": \"High temperature detected\", \"timestamp\": ");
    append_string(&alert, reading->timestamp);
    append_literal(&alert, "}");
    pelton_send(out, sink, (pelton_message){.key = record->key, .value = pelton_view(&alert)});
}

#endif
