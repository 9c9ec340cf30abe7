/*
 * A JSON reader of one pass, which hands out what it reads as slices of the text. The reading itself notes where a
 * value begins and ends, whether it is spaced as Python spaces it, and whether a string has an escaped NUL, so that no
 * value is gone over twice. It reads nothing outside `at` to `end`, for any bytes there.
 */
#include "pelton_json.h"

#include <math.h>
#include <stdlib.h>
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

/* === Reading === */

typedef struct json_reader {
    const char *start, *at, *end;
    int depth;
    bool is_spaced;       /* since it was last set: blanks stand only where json.dumps puts them, and there */
    bool has_nul;         /* since it was last cleared: a string had an escaped NUL */
    bool has_escape;      /* of the last string */
    const char *expected; /* what was not found; NULL while all is JSON */
} json_reader;

enum { JSON_MAX_DEPTH = 128 /* a guest's stack is small */ };

__attribute__((cold, noinline)) static bool json_expected(json_reader *json, const char *what) {
    json->expected = what;
    return false;
}

static inline char json_next(const json_reader *json) {
    return json->at < json->end ? *json->at : 0;
}

/* Passes over blanks, of which json.dumps would put so many here: none or one. */
static inline void json_blanks(json_reader *json, int wanted) {
    int found = json_next(json) == ' ';
    json->at += found;
    if (found != wanted) json->is_spaced = false;
    for (char byte; (byte = json_next(json)) == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; json->at++) {
        json->is_spaced = false;
    }
}

__attribute__((cold, noinline)) static bool json_read_escape(json_reader *json) {
    json->at++;
    char kind = json_next(json);
    if (kind == 'u' && json->end - json->at > 4) {
        for (int n = 1; n <= 4; n++) {
            char digit = json->at[n] | 0x20;
            if (!((digit >= '0' && digit <= '9' && json->at[n] == digit) || (digit >= 'a' && digit <= 'f'))) {
                return json_expected(json, "an escape");
            }
        }
        json->has_nul |= memcmp(json->at + 1, "0000", 4) == 0;
        json->at += 5;
        return true;
    }
    if (kind == 0 || !strchr("\"\\/bfnrt", kind)) return json_expected(json, "an escape");
    json->at++;
    return true;
}

/* How many bytes pass before a quote, a backslash or a control character. It looks at 16 at a time, then at 8. */
static inline size_t json_plain_bytes(const char *bytes, size_t size) {
    size_t at = 0;
#if defined(__wasm_simd128__)
    for (; size - at >= 16; at += 16) {
        v128_t block = wasm_v128_load(bytes + at);
        v128_t found = wasm_v128_or(wasm_v128_or(wasm_i8x16_eq(block, wasm_i8x16_splat('"')),
                                                 wasm_i8x16_eq(block, wasm_i8x16_splat('\\'))),
                                    wasm_u8x16_lt(block, wasm_u8x16_splat(' ')));
        uint32_t mask = wasm_i8x16_bitmask(found);
        if (mask) return at + (size_t)__builtin_ctz(mask);
    }
#endif
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    for (; size - at >= 8; at += 8) {
        uint64_t word, quote, backslash;
        memcpy(&word, bytes + at, 8);
        quote = word ^ ones * '"', backslash = word ^ ones * '\\';
        /* The lowest byte that is zero, or below a blank, gets its high bit set; what is above it may be wrong. */
        uint64_t found = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * ' ') & ~word);
        if (found & highs) return at + (size_t)__builtin_ctzll(found & highs) / 8;
    }
    while (at < size && bytes[at] != '"' && bytes[at] != '\\' && (unsigned char)bytes[at] >= ' ') at++;
    return at;
}

/* Reads a string, and gives its text with the quotes. */
static inline bool json_read_string(json_reader *json, pelton_bytes *text) {
    const char *start = json->at;
    if (json_next(json) != '"') return json_expected(json, "a string");
    json->at++;
    json->has_escape = false;
    for (;;) {
        json->at += json_plain_bytes(json->at, (size_t)(json->end - json->at));
        if (json_next(json) == '"') break;
        if (json_next(json) != '\\') {
            return json_expected(json, "the end of the string, and no control character in it");
        }
        json->has_escape = true;
        if (!json_read_escape(json)) return false;
    }
    json->at++;
    *text = (pelton_bytes){start, (size_t)(json->at - start)};
    return true;
}

static inline bool json_read_digits(json_reader *json) {
    const char *start = json->at;
    while (json_next(json) >= '0' && json_next(json) <= '9') json->at++;
    return json->at > start || json_expected(json, "a digit");
}

static inline bool json_read_number(json_reader *json) {
    json->at += json_next(json) == '-';
    if (json_next(json) == '0') json->at++;
    else if (!json_read_digits(json)) return false;
    if (json_next(json) == '.') {
        json->at++;
        if (!json_read_digits(json)) return false;
    }
    if ((json_next(json) | 0x20) == 'e') {
        json->at++;
        json->at += json_next(json) == '+' || json_next(json) == '-';
        return json_read_digits(json);
    }
    return true;
}

static bool json_read_word(json_reader *json, const char *word, size_t size) {
    if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size)) return json_expected(json, "a value");
    json->at += size;
    return true;
}

static bool json_skip_items(json_reader *json, bool is_object);

/* Reads any value, and gives its text. */
static inline bool json_read_value(json_reader *json, pelton_bytes *text) {
    const char *start = json->at;
    bool is_read;
    char first = json_next(json);
    if (first == '"') return json_read_string(json, text);
    if (first == '-' || (first >= '0' && first <= '9')) is_read = json_read_number(json);
    else if (first == '{') is_read = json_skip_items(json, true);
    else if (first == '[') is_read = json_skip_items(json, false);
    else if (first == 't') is_read = json_read_word(json, "true", 4);
    else if (first == 'f') is_read = json_read_word(json, "false", 5);
    else if (first == 'n') is_read = json_read_word(json, "null", 4);
    else is_read = json_expected(json, "a value");
    *text = (pelton_bytes){start, (size_t)(json->at - start)};
    return is_read;
}

/* Steps into brackets; `is_empty` where they close at once. */
static inline bool json_enter(json_reader *json, char close, bool *is_empty) {
    json->at++;
    if (++json->depth > JSON_MAX_DEPTH) return json_expected(json, "no deeper nesting");
    json_blanks(json, 0);
    *is_empty = json_next(json) == close;
    if (*is_empty) json->at++, json->depth--;
    return true;
}

/* Behind an item: steps over a comma, or out of the brackets. */
static inline bool json_after_item(json_reader *json, char close, bool *is_last) {
    json_blanks(json, 0);
    *is_last = json_next(json) == close;
    if (!*is_last && json_next(json) != ',') return json_expected(json, close == '}' ? "`,` or `}`" : "`,` or `]`");
    json->at++;
    if (*is_last) json->depth--;
    else json_blanks(json, 1);
    return true;
}

/* Reads the name of a member, and steps to its value. The name is without its quotes, as it is written. */
static inline bool json_read_name(json_reader *json, pelton_bytes *name) {
    if (!json_read_string(json, name)) return false;
    *name = (pelton_bytes){name->data + 1, name->size - 2};
    json_blanks(json, 0);
    if (json_next(json) != ':') return json_expected(json, "`:`");
    json->at++;
    json_blanks(json, 1);
    return true;
}

__attribute__((noinline)) static bool json_skip_items(json_reader *json, bool is_object) {
    char close = is_object ? '}' : ']';
    pelton_bytes text;
    bool is_last = false;
    if (!json_enter(json, close, &is_last)) return false;
    while (!is_last) {
        if (is_object && !json_read_name(json, &text)) return false;
        if (!json_read_value(json, &text) || !json_after_item(json, close, &is_last)) return false;
    }
    return true;
}

static uint32_t json_hex4(const char *digits) {
    uint32_t number = 0;
    for (int n = 0; n < 4; n++) {
        char digit = digits[n] | 0x20;
        number = number << 4 | (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return number;
}

static void json_append_utf8(pelton_buffer *to, uint32_t code) {
    char bytes[4];
    size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (size_t n = more; n > 0; n--, code >>= 6) bytes[n] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)((more == 0 ? 0 : 0xF0 << (3 - more)) | code);
    pelton_append(to, bytes, more + 1);
}

/* Adds what the inside of a string says; false where its escapes are no Unicode. */
static bool json_unescape(pelton_bytes inner, pelton_buffer *to) {
    const char *at = inner.data, *end = inner.data + inner.size;
    while (at < end) {
        size_t plain = json_plain_bytes(at, (size_t)(end - at));
        pelton_append(to, at, plain);
        at += plain;
        if (at == end) break;
        const char *kinds = "\"\\/bfnrt", *kind = strchr(kinds, at[1]);
        if (at[1] != 'u' && kind) {
            pelton_append(to, &"\"\\/\b\f\n\r\t"[kind - kinds], 1);
            at += 2;
            continue;
        }
        uint32_t code = json_hex4(at + 2);
        at += 6;
        if (code >= 0xDC00 && code <= 0xDFFF) return false;
        if (code >= 0xD800 && code <= 0xDBFF) {
            if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return false;
            uint32_t low = json_hex4(at + 2);
            if (low < 0xDC00 || low > 0xDFFF) return false;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        json_append_utf8(to, code);
    }
    return true;
}

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
    json_found found[JSON_MAX_FIELDS];
} json_search;

/* Whether the path goes on with the name: with 0 behind it where it ends there, with a dot where it leads on. */
static inline bool json_goes_on(const char *path, pelton_bytes name) {
    for (size_t n = 0; n < name.size; n++) {
        if (path[n] != name.data[n] || path[n] == 0) return false;
    }
    return path[name.size] == 0 || path[name.size] == '.';
}

/* Reads an object that the first `passed` bytes of those paths lead to whose bit is set. */
static bool json_search_object(json_reader *json, json_search *search, uint64_t paths, size_t passed) {
    bool is_last = false;
    if (!json_enter(json, '}', &is_last)) return false;
    while (!is_last) {
        pelton_bytes name, text;
        pelton_buffer unescaped = {0};
        bool is_plain;
        if (!json_read_name(json, &name)) return false;
        is_plain = !json->has_escape;
        if (!is_plain) name = json_unescape(name, &unescaped) ? pelton_view(&unescaped) : (pelton_bytes){"", 0};
        uint64_t here = 0, inside = 0;
        for (size_t n = 0; n < search->count; n++) {
            const char *path = search->fields[n].path + passed;
            if (!(paths >> n & 1) || (name.size && path[0] != name.data[0]) || !json_goes_on(path, name)) continue;
            if (path[name.size] == 0) here |= 1ull << n;
            else inside |= 1ull << n, search->found[n].text = PELTON_NULL;
        }
        size_t deeper = passed + name.size + 1;
        if (!is_plain) free(unescaped.data);
        const char *start = json->at;
        bool was_spaced = json->is_spaced, had_nul = json->has_nul, is_read;
        json->is_spaced = true, json->has_nul = false;
        if (inside && json_next(json) == '{') is_read = json_search_object(json, search, inside, deeper);
        else is_read = json_read_value(json, &text);
        if (!is_read) return false;
        json_found value = {{start, (size_t)(json->at - start)}, json->is_spaced, json->has_nul};
        json->is_spaced &= was_spaced, json->has_nul |= had_nul;
        for (size_t n = 0; here; n++, here >>= 1) {
            if (here & 1) search->found[n] = value;
        }
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
        if (!json_read_text(out, path, value, &memory[0], &text)) return false;
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
    json_search search = {.fields = fields, .count = count};
    pelton_bytes text, other;
    if (count > JSON_MAX_FIELDS) return pelton_fail(out, "%zu fields are more than %d", count, JSON_MAX_FIELDS);
    if (!pelton_record_text(record, out, &text)) return false;
    json_reader json = {.start = text.data, .at = text.data, .end = text.data + text.size};
    json_blanks(&json, 0);
    bool is_object = json_next(&json) == '{';
    bool is_read = is_object ? json_search_object(&json, &search, UINT64_MAX, 0) : json_read_value(&json, &other);
    if (!is_read) return json_not_json(out, &json);
    json_blanks(&json, 0);
    if (json.at < json.end) return json_expected(&json, "nothing more"), json_not_json(out, &json);
    if (!is_object) return pelton_reject(out, "value is not a JSON object");
    for (size_t n = 0; n < count; n++) {
        if (!json_put(out, &fields[n], &search.found[n], memory[n])) return false;
    }
    return true;
}
