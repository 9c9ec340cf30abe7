/*
 * A JSON reader of one pass, which hands out what it reads as slices of the text.
 *
 * The reading itself notices what the jobs need to know: where a value begins and ends, whether it is spaced as Python
 * spaces it, and whether a string has an escaped NUL. It reads nothing outside `at` to `end`, for any bytes there.
 */
#ifndef SENSORS_JSON_H
#define SENSORS_JSON_H

#include "../sdk/c/pelton.h"

#include <stdlib.h>
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

typedef struct reader {
    const char *start, *at, *end;
    int depth;
    bool is_spaced;       /* since it was last set: blanks stand only where json.dumps puts them, and there */
    bool has_nul;         /* since it was last cleared: a string had an escaped NUL */
    bool has_escape;      /* of the last string */
    const char *expected; /* what was not found; NULL while all is JSON */
} reader;

enum { MAX_DEPTH = 128 /* a guest's stack is small */ };

__attribute__((cold, noinline)) static bool expected(reader *json, const char *what) {
    json->expected = what;
    return false;
}

static inline char next(const reader *json) {
    return json->at < json->end ? *json->at : 0;
}

/* Passes over blanks, of which json.dumps would put so many here: none or one. */
static inline void blanks(reader *json, int wanted) {
    int found = next(json) == ' ';
    json->at += found;
    if (found != wanted) json->is_spaced = false;
    for (char byte; (byte = next(json)) == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; json->at++) {
        json->is_spaced = false;
    }
}

__attribute__((cold, noinline)) static bool read_escape(reader *json) {
    json->at++;
    char kind = next(json);
    if (kind == 'u' && json->end - json->at > 4) {
        for (int n = 1; n <= 4; n++) {
            char digit = json->at[n] | 0x20;
            if (!((digit >= '0' && digit <= '9' && json->at[n] == digit) || (digit >= 'a' && digit <= 'f'))) {
                return expected(json, "an escape");
            }
        }
        json->has_nul |= memcmp(json->at + 1, "0000", 4) == 0;
        json->at += 5;
        return true;
    }
    if (kind == 0 || !strchr("\"\\/bfnrt", kind)) return expected(json, "an escape");
    json->at++;
    return true;
}

/* How many bytes pass before a quote, a backslash or a control character. It looks at sixteen at a time, then at eight. */
static inline size_t plain_bytes(const char *bytes, size_t size) {
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
static inline bool read_string(reader *json, pelton_bytes *text) {
    const char *start = json->at;
    if (next(json) != '"') return expected(json, "a string");
    json->at++;
    json->has_escape = false;
    for (;;) {
        json->at += plain_bytes(json->at, (size_t)(json->end - json->at));
        if (next(json) == '"') break;
        if (next(json) != '\\') return expected(json, "the end of the string, and no control character in it");
        json->has_escape = true;
        if (!read_escape(json)) return false;
    }
    json->at++;
    *text = (pelton_bytes){start, (size_t)(json->at - start)};
    return true;
}

static inline bool read_digits(reader *json) {
    const char *start = json->at;
    while (next(json) >= '0' && next(json) <= '9') json->at++;
    return json->at > start || expected(json, "a digit");
}

static inline bool read_number(reader *json) {
    json->at += next(json) == '-';
    if (next(json) == '0') json->at++;
    else if (!read_digits(json)) return false;
    if (next(json) == '.') {
        json->at++;
        if (!read_digits(json)) return false;
    }
    if ((next(json) | 0x20) == 'e') {
        json->at++;
        json->at += next(json) == '+' || next(json) == '-';
        return read_digits(json);
    }
    return true;
}

static bool read_word(reader *json, const char *word, size_t size) {
    if ((size_t)(json->end - json->at) < size || memcmp(json->at, word, size)) return expected(json, "a value");
    json->at += size;
    return true;
}

static bool read_array(reader *json);
static bool read_members(reader *json, bool (*member)(reader *, pelton_bytes, void *), void *context);

static bool skip_member(reader *json, pelton_bytes name, void *context);

/* Reads any value, and gives its text. */
static inline bool read_value(reader *json, pelton_bytes *text) {
    const char *start = json->at;
    bool is_read;
    char first = next(json);
    if (first == '"') return read_string(json, text);
    if (first == '-' || (first >= '0' && first <= '9')) is_read = read_number(json);
    else if (first == '{') is_read = read_members(json, skip_member, NULL);
    else if (first == '[') is_read = read_array(json);
    else if (first == 't') is_read = read_word(json, "true", 4);
    else if (first == 'f') is_read = read_word(json, "false", 5);
    else if (first == 'n') is_read = read_word(json, "null", 4);
    else is_read = expected(json, "a value");
    *text = (pelton_bytes){start, (size_t)(json->at - start)};
    return is_read;
}

__attribute__((noinline)) static bool skip_member(reader *json, pelton_bytes name, void *context) {
    (void)name, (void)context;
    pelton_bytes text;
    return read_value(json, &text);
}

/* Steps into brackets; `is_empty` where they close at once. */
static inline bool enter(reader *json, char close, bool *is_empty) {
    json->at++;
    if (++json->depth > MAX_DEPTH) return expected(json, "no deeper nesting");
    blanks(json, 0);
    *is_empty = next(json) == close;
    if (*is_empty) json->at++, json->depth--;
    return true;
}

/* Behind an item: steps over a comma, or out of the brackets. */
static inline bool after_item(reader *json, char close, bool *is_last) {
    blanks(json, 0);
    *is_last = next(json) == close;
    if (!*is_last && next(json) != ',') return expected(json, close == '}' ? "`,` or `}`" : "`,` or `]`");
    json->at++;
    if (*is_last) json->depth--;
    else blanks(json, 1);
    return true;
}

__attribute__((cold, noinline)) static bool read_array(reader *json) {
    bool is_last;
    pelton_bytes text;
    if (!enter(json, ']', &is_last)) return false;
    while (!is_last) {
        if (!read_value(json, &text) || !after_item(json, ']', &is_last)) return false;
    }
    return true;
}

/* What a string says that has escapes; false where they are no Unicode. */
static bool unescape(pelton_bytes quoted, pelton_buffer *to);

/* Reads an object. `member` is given each name, and reads its value. */
static inline bool read_members(reader *json, bool (*member)(reader *, pelton_bytes, void *), void *context) {
    bool is_last;
    if (!enter(json, '}', &is_last)) return false;
    while (!is_last) {
        pelton_bytes name;
        char plain[64];
        if (!read_string(json, &name)) return false;
        if (json->has_escape) {
            pelton_buffer unescaped = {0};
            /* No name that is looked for is as long as `plain`, so it may be cut. */
            size_t size = unescape(name, &unescaped) && unescaped.size < sizeof plain ? unescaped.size : 0;
            if (size) memcpy(plain, unescaped.data, size);
            free(unescaped.data);
            name = (pelton_bytes){plain, size};
        } else {
            name = (pelton_bytes){name.data + 1, name.size - 2};
        }
        blanks(json, 0);
        if (next(json) != ':') return expected(json, "`:`");
        json->at++;
        blanks(json, 1);
        if (!member(json, name, context) || !after_item(json, '}', &is_last)) return false;
    }
    return true;
}

static uint32_t hex4(const char *digits) {
    uint32_t number = 0;
    for (int n = 0; n < 4; n++) {
        char digit = digits[n] | 0x20;
        number = number << 4 | (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return number;
}

static void append_utf8(pelton_buffer *to, uint32_t code) {
    char bytes[4];
    size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (size_t n = more; n > 0; n--, code >>= 6) bytes[n] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)((more == 0 ? 0 : 0xF0 << (3 - more)) | code);
    pelton_append(to, bytes, more + 1);
}

static bool unescape(pelton_bytes quoted, pelton_buffer *to) {
    const char *at = quoted.data + 1, *end = quoted.data + quoted.size - 1;
    while (at < end) {
        size_t plain = plain_bytes(at, (size_t)(end - at));
        pelton_append(to, at, plain);
        at += plain;
        if (at == end) break;
        const char *kinds = "\"\\/bfnrt", *kind = strchr(kinds, at[1]);
        if (at[1] != 'u' && kind) {
            pelton_append(to, &"\"\\/\b\f\n\r\t"[kind - kinds], 1);
            at += 2;
            continue;
        }
        uint32_t code = hex4(at + 2);
        at += 6;
        if (code >= 0xDC00 && code <= 0xDFFF) return false;
        if (code >= 0xD800 && code <= 0xDBFF) {
            if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return false;
            uint32_t low = hex4(at + 2);
            if (low < 0xDC00 || low > 0xDFFF) return false;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
        append_utf8(to, code);
    }
    return true;
}

#endif
