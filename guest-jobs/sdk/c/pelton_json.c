/* Finds fields of a record's JSON, and makes them what they must be. */
#include "pelton_json.h"
#include "pelton_reader.h"

#include <math.h>

/* === Finding fields === */

enum { JSON_MAX_FIELDS = 64 };

/* What a path led to; null where it led nowhere. */
typedef struct json_found {
    pelton_bytes text;
    bool is_spaced, has_nul;
} json_found;

typedef struct json_search {
    const pelton_field *fields;
    size_t count;
    uint64_t alike[JSON_MAX_FIELDS]; /* the fields whose paths begin with the same name as this one's, a bit for each */
    size_t first[JSON_MAX_FIELDS];   /* the length of that name */
    size_t length[JSON_MAX_FIELDS];  /* the length of the path */
    json_found found[JSON_MAX_FIELDS];
} json_search;

/* What was looked for last is looked for again: a job reads the same fields of each record. */
static json_search *json_plan(const pelton_field *fields, size_t count) {
    static json_search plan;
    if (plan.fields == fields && plan.count == count) return &plan;
    plan.fields = fields, plan.count = count;
    for (size_t n = 0; n < count; n++) {
        plan.first[n] = strcspn(fields[n].path, "."), plan.length[n] = strlen(fields[n].path), plan.alike[n] = 0;
    }
    for (size_t n = 0; n < count * count; n++) {
        size_t one = n / count, other = n % count, size = plan.first[one];
        bool is_alike = plan.first[other] == size && !memcmp(fields[one].path, fields[other].path, size);
        plan.alike[one] |= (uint64_t)is_alike << other;
    }
    return &plan;
}

/* Whether two texts of one length are the same, by words that may overlap: on Wasm a memcmp is a call. */
static inline bool json_is_same(const char *one, const char *other, size_t size) {
    uint64_t a, b, c, d;
    if (size > 16) return !memcmp(one, other, size);
    if (size >= 8) {
        memcpy(&a, one, 8), memcpy(&b, other, 8), memcpy(&c, one + size - 8, 8), memcpy(&d, other + size - 8, 8);
        return a == b && c == d;
    }
    for (size_t n = 0; n < size; n++) {
        if (one[n] != other[n]) return false;
    }
    return true;
}

static inline bool json_begins(const json_search *search, size_t n, pelton_bytes name) {
    return search->first[n] == name.size && json_is_same(search->fields[n].path, name.data, name.size);
}

/* The fields that a name of the outermost object leads to. `next` is the one that is due where the record's names stand
 * in the order of the fields. */
static inline uint64_t json_outermost(const json_search *search, pelton_bytes name, size_t *next) {
    size_t n = *next;
    if (n >= search->count || !json_begins(search, n, name)) {
        for (n = 0; n < search->count && !json_begins(search, n, name);) n++;
        if (n == search->count) return 0;
    }
    *next = 64 - (size_t)__builtin_clzll(search->alike[n]);
    return search->alike[n];
}

/* The fields of some that a name leads to behind the first `passed` bytes of their paths. */
static uint64_t json_inner(const json_search *search, pelton_bytes name, uint64_t paths, size_t passed) {
    uint64_t alike = 0;
    for (uint64_t rest = paths; rest; rest &= rest - 1) {
        int n = __builtin_ctzll(rest);
        const char *path = search->fields[n].path + passed;
        size_t size = search->length[n] - passed;
        bool ends = size == name.size || (size > name.size && path[name.size] == '.');
        if (ends && json_is_same(path, name.data, name.size)) alike |= 1ull << n;
    }
    return alike;
}

/* Reads an object that the first `passed` bytes of those paths lead to whose bit is set. */
static bool json_search_object(json_reader *json, json_search *search, uint64_t paths, size_t passed) {
    bool is_last = false;
    size_t due = 0;
    if (!json_enter(json, '}', &is_last)) return false;
    while (!is_last) {
        pelton_bytes name, text;
        pelton_buffer unescaped = {0};
        bool is_plain;
        if (!json_read_name(json, &name)) return false;
        is_plain = !json->has_escape;
        if (!is_plain) name = json_unescape(name, &unescaped) ? pelton_view(&unescaped) : (pelton_bytes){"", 0};
        uint64_t inside = 0;
        uint64_t alike = passed ? json_inner(search, name, paths, passed) : json_outermost(search, name, &due);
        size_t deeper = passed + name.size + 1;
        if (!is_plain) free(unescaped.data);
        if (!alike) {
            if (!json_read_value(json, &text) || !json_after_item(json, '}', &is_last)) return false;
            continue;
        }
        size_t only = (size_t)__builtin_ctzll(alike);
        if (!(alike & (alike - 1)) && search->length[only] < deeper && json_next(json) != '{') {
            /* Most are such: one field, and no object. */
            if (!json_read_value(json, &search->found[only].text)) return false;
            search->found[only].has_nul = false;
            if (!json_after_item(json, '}', &is_last)) return false;
            continue;
        }
        for (uint64_t rest = alike; rest; rest &= rest - 1) {
            int n = __builtin_ctzll(rest);
            search->found[n].text = PELTON_NULL;
            if (search->length[n] >= deeper) inside |= 1ull << n;
        }
        const char *start = json->at;
        bool was_spaced = json->is_spaced, had_nul = json->has_nul, is_read;
        json->is_spaced = true, json->has_nul = false;
        if (inside && json_next(json) == '{') is_read = json_search_object(json, search, inside, deeper);
        else is_read = json_read_value(json, &text);
        if (!is_read) return false;
        json_found value = {{start, (size_t)(json->at - start)}, json->is_spaced, json->has_nul};
        json->is_spaced &= was_spaced, json->has_nul |= had_nul;
        for (uint64_t rest = alike & ~inside; rest; rest &= rest - 1) search->found[__builtin_ctzll(rest)] = value;
        if (!json_after_item(json, '}', &is_last)) return false;
    }
    return true;
}

/* === What a field must be === */

/* The value of a number of JSON. Up to 15 digits and powers of ten that a double holds exactly give the nearest double
 * with one operation; `strtod` takes four times as long, and has the rest. */
static double json_number_value(pelton_bytes text) {
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

static const char *json_last_name(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static bool json_missing(pelton_out *out, const char *path) {
    const char *name = json_last_name(path);
    if (name == path) return pelton_reject(out, "missing field `%s` in value", name);
    return pelton_reject(out, "missing field `%s` in `%.*s`", name, (int)(name - path - 1), path);
}

/* Names the field, and shows the first 60 characters of what it holds. */
static bool json_wrong(pelton_out *out, const char *path, const char *what, pelton_bytes text) {
    size_t characters = 0, end = 0;
    for (; end < text.size; end++) {
        if ((text.data[end] & 0xC0) != 0x80 && ++characters > 60) break;
    }
    const char *more = end < text.size ? "…" : "";
    return pelton_reject(out, "`%s` is %s: %.*s%s", json_last_name(path), what, (int)end, text.data, more);
}

static bool json_holds_nul(pelton_out *out, const char *path) {
    return pelton_reject(out, "`%s` holds a NUL character", json_last_name(path));
}

static bool json_read_text(pelton_out *out, const char *path, pelton_bytes field, pelton_buffer *memory,
                           pelton_bytes *text) {
    if (field.data[0] != '"') return json_wrong(out, path, "not a string", field);
    *text = (pelton_bytes){field.data + 1, field.size - 2};
    if (json_plain_bytes(text->data, text->size) == text->size) return true;
    memory->size = 0;
    if (!json_unescape(*text, memory)) return json_wrong(out, path, "not valid Unicode", field);
    *text = pelton_view(memory);
    /* Only what was escaped can be one: JSON has no bare control characters. */
    return !memchr(text->data, 0, text->size) || json_holds_nul(out, path);
}

static bool json_read_integer(pelton_out *out, const char *path, pelton_bytes field, bool is_int4, int64_t *number) {
    bool is_negative = field.data[0] == '-', fits = true;
    int64_t value = 0;
    for (size_t n = is_negative; n < field.size; n++) {
        int digit = field.data[n] - '0';
        if (digit < 0 || digit > 9) return json_wrong(out, path, "not an integer", field);
        fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_add_overflow(value, is_negative ? -digit : digit, &value);
    }
    if (is_int4 && (value < INT32_MIN || value > INT32_MAX)) fits = false;
    *number = value;
    return fits || json_wrong(out, path, is_int4 ? "beyond the range of INT" : "beyond the range of BIGINT", field);
}

/* Gives valid JSON the spacing of json.dumps: one blank after each comma and colon, no other outside strings. */
static pelton_bytes json_respace(pelton_bytes json, pelton_buffer *spaced) {
    bool in_string = false, is_escaped = false;
    spaced->size = 0;
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
        pelton_append(spaced, &byte, 1);
        if (!in_string && (byte == ',' || byte == ':')) pelton_append(spaced, " ", 1);
    }
    return pelton_view(spaced);
}

/* Puts a value where it goes; false after rejecting the record for what the value is not. */
static bool json_put(pelton_out *out, const pelton_field *field, const json_found *found, pelton_buffer memory[2]) {
    const char *path = field->path;
    pelton_bytes value = found->text, text;
    int64_t number;
    if (field->found) {
        *field->found = value.data && (value.size != 4 || memcmp(value.data, "null", 4));
        if (!*field->found) return true;
    }
    if (!value.data) return json_missing(out, path);
    if (field->raw) *field->raw = value;
    if (field->text && !json_read_text(out, path, value, &memory[0], field->text)) return false;
    if (field->int4) {
        if (!json_read_integer(out, path, value, true, &number)) return false;
        *field->int4 = (int32_t)number;
    }
    if (field->int8 && !json_read_integer(out, path, value, false, field->int8)) return false;
    if (field->float8) {
        char first = value.data[0];
        if (first != '-' && (first < '0' || first > '9')) return json_wrong(out, path, "not a number", value);
        *field->float8 = json_number_value(value);
        if (!isfinite(*field->float8)) return json_wrong(out, path, "beyond the range of a double", value);
    }
    if (field->boolean) {
        *field->boolean = value.data[0] == 't';
        if (value.data[0] != 't' && value.data[0] != 'f') return json_wrong(out, path, "not a boolean", value);
    }
    if (field->timestamptz) {
        if (field->text) text = *field->text;
        else if (!json_read_text(out, path, value, &memory[0], &text)) return false;
        if (!pelton_microseconds(text, field->timestamptz)) {
            return json_wrong(out, path, "not a time with offset (RFC 3339)", value);
        }
    }
    if (field->object) {
        if (value.data[0] != '{') return json_wrong(out, path, "not a JSON object", value);
        if (found->has_nul) return json_holds_nul(out, path);
        *field->object = found->is_spaced ? value : json_respace(value, &memory[1]);
    }
    return true;
}

static bool json_not_json(pelton_out *out, const json_reader *json) {
    size_t line = 1;
    const char *line_start = json->start;
    for (const char *at = json->start; at < json->at; at++) {
        if (*at == '\n') line++, line_start = at + 1;
    }
    return pelton_reject(out, "value is not JSON: expected %s at line %zu column %zu", json->expected, line,
                         (size_t)(json->at - line_start) + 1);
}

bool pelton_fields_of(const pelton_record *record, pelton_out *out, const pelton_field *fields, size_t count) {
    static pelton_buffer memory[JSON_MAX_FIELDS][2];
    pelton_bytes text, other;
    if (count > JSON_MAX_FIELDS) return pelton_fail(out, "%zu fields are more than %d", count, JSON_MAX_FIELDS);
    if (!pelton_record_text(record, out, &text)) return false;
    json_search *search = json_plan(fields, count);
    for (size_t n = 0; n < count; n++) search->found[n].text = PELTON_NULL;
    json_reader json = {.start = text.data, .at = text.data, .end = text.data + text.size};
    json_blanks(&json, 0);
    bool is_object = json_next(&json) == '{';
    bool is_read = is_object ? json_search_object(&json, search, UINT64_MAX, 0) : json_read_value(&json, &other);
    if (!is_read) return json_not_json(out, &json);
    json_blanks(&json, 0);
    if (json.at < json.end) return json_expected(&json, "nothing more"), json_not_json(out, &json);
    if (!is_object) return pelton_reject(out, "value is not a JSON object");
    for (size_t n = 0; n < count; n++) {
        if (!json_put(out, &fields[n], &search->found[n], memory[n])) return false;
    }
    return true;
}

/* What a string says that was read with its quotes; false where its escapes are no Unicode. What is unescaped is kept: each
 * text begins with the address of the one before. */
static bool json_said(pelton_bytes *text) {
    static char *kept;
    *text = (pelton_bytes){text->data + 1, text->size - 2};
    if (!memchr(text->data, '\\', text->size)) return true;
    pelton_buffer said = {0};
    pelton_append(&said, &kept, sizeof kept);
    if (!said.data || !json_unescape(*text, &said)) return free(said.data), false;
    kept = said.data;
    *text = (pelton_bytes){said.data + sizeof kept, said.size - sizeof kept};
    return true;
}

bool pelton_members(pelton_bytes json, bool (*member)(pelton_bytes name, pelton_bytes value)) {
    json_reader reader = {.start = json.data, .at = json.data, .end = json.data + json.size};
    bool is_last = false;
    json_blanks(&reader, 0);
    if (json_next(&reader) != '{' || !json_enter(&reader, '}', &is_last)) return false;
    while (!is_last) {
        pelton_bytes name, value;
        if (!json_read_name(&reader, &name) || !json_read_value(&reader, &value)) return false;
        if (!json_after_item(&reader, '}', &is_last)) return false;
        name = (pelton_bytes){name.data - 1, name.size + 2};
        if (!json_said(&name) || (*value.data == '"' && !json_said(&value)) || !member(name, value)) return false;
    }
    json_blanks(&reader, 0);
    return reader.at == reader.end;
}
