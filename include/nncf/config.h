/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file config.h
 * @brief An NNCF JSON config: JSON with comments, in which what NNCF reads is checked and the rest
 * is the caller's.
 *
 * The text is strict JSON plus line and block comments and one trailing comma before a closing
 * bracket, as NNCF's samples take it. Every key under `compression` is checked against one table
 * (name, type, bounds, default); a wrong one fails with file:line:column, the path, what is allowed
 * and the nearest known key. So are the few keys beside it that NNCF reads itself (docs/config.md,
 * "At the root"). All others belong to the training program: they are kept, read by path, and never
 * rejected. nncf_config_explain() of a config that names only algorithms lists their main keys with
 * defaults.
 *
 * Paths: `optimizer.base_lr`, `compression[0].params.schedule`; "/" may stand for ".". A key that
 * holds a dot is reached by quoting it: `a."b.c"`.
 */
#ifndef NNCF_CONFIG_H
#define NNCF_CONFIG_H

#include <nncf/base.h>
#include <nncf/context.h>

NNCF_BEGIN_DECLS

/** Opaque and, once loaded, immutable: it may be read from any number of threads. @since 0.1 */
typedef struct nncf_config nncf_config;

/** Type of a config value: one of NNCF_CONFIG_.... @since 0.1 */
typedef int32_t nncf_config_type;
/** Types of a config value. @since 0.1 */
enum {
    /** JSON null */
    NNCF_CONFIG_NULL = 0,
    /** true, false */
    NNCF_CONFIG_BOOL = 1,
    /** a number without fraction and exponent that fits int64 */
    NNCF_CONFIG_INT = 2,
    /** any other number */
    NNCF_CONFIG_DOUBLE = 3,
    /** UTF-8 text */
    NNCF_CONFIG_STRING = 4,
    /** [ ] */
    NNCF_CONFIG_ARRAY = 5,
    /** { } */
    NNCF_CONFIG_OBJECT = 6,
    NNCF_CONFIG_SENTINEL = 0x7fffffff
};

/** Handling of scopes that match no layer: one of NNCF_SCOPES_.... @since 0.1 */
typedef int32_t nncf_scope_policy;
/** How to handle scopes that match no layer. @since 0.1 */
enum {
    /** as the release did: warnings, from 2.4 on an error */
    NNCF_SCOPES_BY_DIALECT = 0,
    /** a warning in the log */
    NNCF_SCOPES_WARN = 1,
    /** the controller is not made */
    NNCF_SCOPES_STRICT = 2,
    /** nothing */
    NNCF_SCOPES_OFF = 3,
    NNCF_SCOPES_SENTINEL = 0x7fffffff
};

/** @brief How to read a config. @since 0.1 */
typedef struct nncf_config_params {
    /** NNCF_PARAMS(nncf_config_params) */
    size_t struct_size;
    /**
     * NNCF release whose keys, meanings and defaults hold: "1.0" to "2.17". NULL:
     * `nncf_dialect` if present, otherwise detected from the keys (docs/config.md)
     */
    const char *dialect;
    /** NNCF_SCOPES_... */
    nncf_scope_policy scopes;
    /** must be 0 */
    int32_t reserved;
    /**
     * Nullable: called once per error in what NNCF reads, at most 64 times; the function still
     * returns the first. Rules across keys are checked only if every key is valid. Text that is not
     * JSON, or a wrong `nncf_dialect`, is reported alone. `error` is valid only during the call.
     * Returns 0; anything else: it is not called again, and reading ends with the error.
     */
    int32_t (*report)(void *user, const nncf_error *error);
    /** first argument of report */
    void *user;
} nncf_config_params;
/**
 * @brief Set up parameters: `struct_size`, and every member to its default.
 * @param[out] params nullable
 * @param struct_size sizeof *params: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_config_params_init(nncf_config_params *params, size_t struct_size);

/**
 * @brief Load and check a config file.
 * @param context nullable
 * @param path file to read, at most 1 MiB
 * @param params nullable
 * @param[out] config destroy with nncf_config_destroy()
 * @param[out] err nullable; line, column, offset and where are filled in for a bad config
 * @return NNCF_OK; NNCF_E_IO the file cannot be read; NNCF_E_PARSE not JSON; NNCF_E_CONFIG a key or
 * value is wrong; NNCF_E_LIMIT too large or nested too deep; NNCF_E_NOMEM; NNCF_E_ARG. What is
 * valid NNCF but not in this release loads: nncf_config_check_supported()
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_load(nncf_context *context, const char *path,
    const nncf_config_params *params, nncf_config **config, nncf_error *err);

/**
 * @brief Load and check a config from memory.
 * @param context nullable
 * @param name stands for the file's name in messages; NULL: "<memory>"
 * @param text not kept; need not end in NUL
 * @param size bytes of text, at most 1 MiB
 * @param params nullable
 * @param[out] config destroy with nncf_config_destroy()
 * @param[out] err nullable; line, column, offset and where are filled in for a bad config
 * @return as nncf_config_load(), but for NNCF_E_IO
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_parse(nncf_context *context, const char *name, const char *text,
    size_t size, const nncf_config_params *params, nncf_config **config, nncf_error *err);

/**
 * @brief NNCF release that the config is read as: "1.1", "1.3.1", "2.17". Borrowed; NULL for NULL.
 * @param config nullable
 * @return borrowed; NULL for NULL
 * @since 0.1
 */
NNCF_API const char *nncf_config_get_dialect(const nncf_config *config);

/**
 * @brief Check that this release supports every feature that the config uses.
 *
 * A config may use what is valid in NNCF but not supported yet: algorithms such as
 * movement_sparsity, or keys such as unified_scale_ops. It loads, and
 * nncf_compression_ctrl_create() fails with the same error.
 * @param config the config
 * @param[out] err nullable; place, path and what is missing, of the first such thing
 * @return NNCF_OK; NNCF_E_UNSUPPORTED; NNCF_E_ARG
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_check_supported(const nncf_config *config, nncf_error *err);

/**
 * @brief Destroy a config. NULL is fine. Controllers made from it do not need it any more.
 * @param config nullable
 * @since 0.1
 */
NNCF_API void nncf_config_destroy(nncf_config *config);

/**
 * @brief Is there a value at `path`, and of what type?
 * @param config the config
 * @param path path of the value, such as `optimizer.base_lr`
 * @param[out] type nullable
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND when there is none; NNCF_E_ARG
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_get_type(
    const nncf_config *config, const char *path, nncf_config_type *type, nncf_error *err);

/**
 * @brief Elements of the array, or members of the object, at `path`.
 * @param config the config
 * @param path path of the array or object
 * @param[out] count the number
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND; NNCF_E_CONFIG it is neither; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_get_element_count(
    const nncf_config *config, const char *path, size_t *count, nncf_error *err);

/**
 * @brief Key of member `index` (file order) of the object at `path`; borrowed from the config.
 * @param config the config
 * @param path path of the object
 * @param index counted from 0
 * @param[out] key borrowed from the config
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND no such path, or index past the end; NNCF_E_CONFIG not an
 * object; NNCF_E_ARG
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_get_key(
    const nncf_config *config, const char *path, size_t index, const char **key, nncf_error *err);

/**
 * @brief Read a value. `*value` is untouched unless NNCF_OK is returned, so a default may be put
 * there first.
 *
 * `err` gives file:line:column of a value of another type.
 * @param config the config
 * @param path path of the value, such as `optimizer.base_lr`
 * @param[out] value untouched unless NNCF_OK is returned
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_NOTFOUND; NNCF_E_CONFIG the value is of another type (an int reads as a
 * double too); NNCF_E_ARG
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_get_double(
    const nncf_config *config, const char *path, double *value, nncf_error *err);
/** @copydoc nncf_config_get_double */
NNCF_API nncf_status nncf_config_get_int(
    const nncf_config *config, const char *path, int64_t *value, nncf_error *err);
/**
 * @brief As nncf_config_get_double(), 0 or 1.
 * @param config the config
 * @param path path of the value
 * @param[out] value 0 or 1; untouched unless NNCF_OK is returned
 * @param[out] err nullable
 * @return as nncf_config_get_double()
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_get_bool(
    const nncf_config *config, const char *path, int32_t *value, nncf_error *err);
/**
 * @brief As nncf_config_get_double(); the text is borrowed from the config.
 * @param config the config
 * @param path path of the value
 * @param[out] value borrowed from the config; untouched unless NNCF_OK is returned
 * @param[out] err nullable
 * @return as nncf_config_get_double()
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_get_string(
    const nncf_config *config, const char *path, const char **value, nncf_error *err);

/**
 * @brief Report an application error with the library's file:line:column prefix.
 *
 * Fills `err` with file:line:column of the value at `path` (or of the nearest enclosing value that
 * exists) and `message`.
 * @param config the config
 * @param path path of the value
 * @param message what is wrong with it
 * @param[out] err nullable
 * @return always NNCF_E_CONFIG, so that a caller can `return nncf_config_set_error(...)`
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_set_error(
    const nncf_config *config, const char *path, const char *message, nncf_error *err);

/**
 * @brief Number of compression algorithms; 0 = plain training.
 * @param config nullable
 * @return the number; 0 for NULL
 * @since 0.1
 */
NNCF_API size_t nncf_config_get_algorithm_count(const nncf_config *config);

/**
 * @brief Canonical name of algorithm `index` ("rb_sparsity", "quantization", ...) in file order;
 * NULL past the end. Borrowed.
 * @param config nullable
 * @param index counted from 0
 * @return borrowed; NULL past the end
 * @since 0.1
 */
NNCF_API const char *nncf_config_get_algorithm_name(const nncf_config *config, size_t index);

/**
 * @brief The effective config as JSON: the canonical form, every default of `compression` filled
 * in; the caller's keys as they are.
 * @param config the config
 * @param[out] buffer receives at most `capacity` bytes with the final NUL; may be NULL when
 * capacity is 0
 * @param capacity bytes of buffer
 * @param[out] needed nullable; bytes that the whole text takes, NUL included
 * @param[out] err nullable
 * @return NNCF_OK; NNCF_E_BUFFER when capacity was too small (then what fits is there, with a NUL);
 * NNCF_E_NOMEM; NNCF_E_ARG
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_dump(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err);

/**
 * @brief The effective config with the origin of each value: a line of the file, another key that
 * was translated, a default of the dialect, left to the target device, or set by the caller.
 *
 * As text a line a value, `path = value  # where from`; as JSON an array of {"path", "value",
 * "origin", ...}. There "origin" is "file", "translated", "default", "device" or "caller"; "key",
 * "line" and "column" name what in the file says it, "release" whose default it is. "value" is null
 * for "device".
 * @param config the config
 * @param form NNCF_FORM_TEXT or NNCF_FORM_JSON
 * @param[out] buffer as in nncf_config_dump()
 * @param capacity bytes of buffer
 * @param[out] needed as in nncf_config_dump()
 * @param[out] err nullable
 * @return as nncf_config_dump()
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_explain(const nncf_config *config, nncf_form form, char *buffer,
    size_t capacity, size_t *needed, nncf_error *err);

/**
 * @brief The same config in NNCF's last JSON dialect, 2.17, as JSON with comments.
 *
 * Keys are renamed and moved, batches become samples (with `batch_size`, 1 if there is none),
 * scopes become regular expressions that match what they matched, and where the old release's
 * default differs the value is written out. `nncf_dialect` is set to 2.17, since the keys alone may
 * fit earlier releases too (NNCF ignores that key). The caller's own keys stay. What 2.17 cannot
 * express is listed in comments at the top.
 * @param config the config
 * @param[out] buffer as in nncf_config_dump()
 * @param capacity bytes of buffer
 * @param[out] needed as in nncf_config_dump()
 * @param[out] err nullable
 * @return as nncf_config_dump()
 * @par Threads any.
 * @since 0.1
 */
NNCF_API nncf_status nncf_config_migrate(
    const nncf_config *config, char *buffer, size_t capacity, size_t *needed, nncf_error *err);

NNCF_END_DECLS
#endif
