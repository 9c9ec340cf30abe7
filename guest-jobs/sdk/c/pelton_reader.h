/*
 * A JSON reader of one pass, which hands out what it reads as slices of the text. The reading itself notes where a
 * value begins and ends, whether it is spaced as Python spaces it, and whether a string has an escaped NUL, so that no
 * value is gone over twice. It reads nothing outside `at` to `end`, for any bytes there.
 * Only pelton_json.c includes it.
 */
#ifndef PELTON_READER_H
#define PELTON_READER_H

#include "pelton.h"

#include <stdlib.h>
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

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

#endif
