/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base.h
 * @brief What every other header needs: version, status codes, the error record, parameter structs.
 *
 * Conventions of the whole API
 *  - Every call that can fail returns an ::nncf_status: 0 is success, negative values are errors.
 *    It takes an optional, caller-owned ::nncf_error as its last argument, which names the place
 *    and the cure.
 *  - Arguments come in this order: the object, inputs, parameters (nullable: all defaults),
 *    outputs, err.
 *  - On failure outputs are untouched and the object is as it was before, unless the function's
 *    comment says otherwise.
 *  - `x_destroy(NULL)` does nothing.
 *  - What a function creates, opens, loads or parses belongs to the caller; other returned pointers
 *    are borrowed.
 *  - The library never prints, exits, aborts or calls setlocale.
 *
 * Names
 *  - `nncf_<object>_<verb>` does something. `nncf_<object>_get_<noun>` looks something up or fills
 *    it in, and changes nothing; `nncf_<object>_get_<noun>_count` is the number of such things. A
 *    getter that cannot fail returns its value: NULL, 0 or -1 for a NULL object and past the end.
 *  - Enumerated values are of an int32_t typedef, ::nncf_status or nncf_mode, whose enumerators
 *    share a prefix.
 *  - Structs that begin with `struct_size` are parameters or results, and grow at their end in
 *    later releases. `reserved` members must be 0. In a parameter struct a member of 0 or NULL
 *    stands for the documented default.
 *
 * Numbers
 *  - Numbers of objects and of elements of an array in memory are size_t; sizes of tensors, numbers
 *    of weights, epochs and steps int64_t; bytes in results uint64_t.
 *  - Text goes to a buffer of the caller's: `buffer` (NULL if capacity is 0), `capacity`, `needed`
 *    (nullable: the bytes of the whole text, its NUL included). If it does not fit, the call
 *    returns ::NNCF_E_BUFFER, and what fits is there, with a NUL. What exists as text and as JSON
 *    is one function with an ::nncf_form.
 *
 * Callbacks
 *  - Their first argument is `user`, the member of that name beside the callback (with a prefix
 *    where a struct has several callbacks).
 *  - Those that deliver or receive something return int32_t: 0 continues, anything else stops. A
 *    stopped call returns ::NNCF_E_CALLBACK unless its comment says otherwise. alloc, free, log and
 *    parallel_for cannot stop a call.
 */
#ifndef NNCF_BASE_H
#define NNCF_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
/** Begins declarations with C linkage. @since 0.1 */
#define NNCF_BEGIN_DECLS extern "C" {
/** Ends declarations with C linkage. @since 0.1 */
#define NNCF_END_DECLS }
#else
#define NNCF_BEGIN_DECLS
#define NNCF_END_DECLS
#endif

#if defined(__GNUC__)
/** Marks a function that the shared library exports. @since 0.1 */
#define NNCF_API __attribute__((visibility("default")))
/** Lets the compiler check the arguments of a function that formats text. @since 0.1 */
#define NNCF_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))
#else
#define NNCF_API
#define NNCF_PRINTF(fmt_index, args_index)
#endif

NNCF_BEGIN_DECLS

/** Major version of the headers. A 0.x minor release may break the ABI; from 1.0 on only a major
 * one may. @since 0.1 */
#define NNCF_VERSION_MAJOR 0
/** Minor version of the headers. @since 0.1 */
#define NNCF_VERSION_MINOR 1
/** Patch version of the headers. @since 0.1 */
#define NNCF_VERSION_PATCH 0

/**
 * What a program was compiled against: 0xMMmmpp for major, minor and patch. Pass it to
 * nncf_context_create() so that a mismatch fails at the first call. @since 0.1
 */
#define NNCF_API_VERSION 0x000100

/** 0 on success, otherwise one of the negative NNCF_E_ values. @since 0.1 */
typedef int32_t nncf_status;

/**
 * Every status: X(enumerator, value, what it means). Values are part of the ABI: append only.
 * @since 0.1
 */
#define NNCF_STATUS_MAP(X)                                                                         \
    X(NNCF_OK, 0, "success")                                                                       \
    X(NNCF_E_ARG, -1, "an argument is invalid")                                                    \
    X(NNCF_E_STATE, -2, "the call is not allowed in the object's present state")                   \
    X(NNCF_E_NOMEM, -3, "out of memory")                                                           \
    X(NNCF_E_LIMIT, -4, "a size or count is over the library's limit")                             \
    X(NNCF_E_SHAPE, -5, "tensor shapes do not fit together")                                       \
    X(NNCF_E_DTYPE, -6, "the tensor's element type is not accepted here")                          \
    X(NNCF_E_PARSE, -7, "the text is not valid JSON with comments")                                \
    X(NNCF_E_CONFIG, -8, "the config says something that is not allowed")                          \
    X(NNCF_E_NOTFOUND, -9, "there is nothing of that name")                                        \
    X(NNCF_E_IO, -10, "reading or writing failed")                                                 \
    X(NNCF_E_FORMAT, -11, "the file is damaged or not of the expected format")                     \
    X(NNCF_E_VERSION, -12, "headers, library or file are of incompatible versions")                \
    X(NNCF_E_UNSUPPORTED, -13, "valid, but this release of the library does not have it")          \
    X(NNCF_E_CALLBACK, -14, "a callback of the caller reported a failure")                         \
    X(NNCF_E_INTERNAL, -15, "a defect of the library: please report it")                           \
    X(NNCF_E_BUFFER, -16, "the caller's buffer is too small")

enum {
#define NNCF_STATUS_ENUM(name, value, text) name = (value),
    NNCF_STATUS_MAP(NNCF_STATUS_ENUM)
#undef NNCF_STATUS_ENUM
        NNCF_STATUS_SENTINEL = 0x7fffffff
};

/**
 * @brief What went wrong, where, and what to do about it. Owned by the caller; one record serves
 * any number of calls.
 *
 * Set it up with `nncf_error err = NNCF_ERROR_INIT;`, which is struct_size and zeros. It is written
 * only when a call fails, and only its first struct_size bytes: nothing where that is 0.
 * @since 0.1
 */
typedef struct nncf_error {
    /** sizeof(nncf_error), set by NNCF_ERROR_INIT */
    size_t struct_size;
    /** the status that the call returned */
    nncf_status status;
    /** errno of the failed system call, or 0 */
    int32_t os_errno;
    /** byte in the input where it was noticed, or 0 */
    uint64_t offset;
    /** line in the input, counted from 1; 0 when there is none */
    int32_t line;
    /** column in bytes, counted from 1; 0 when there is none */
    int32_t column;
    /** config path, scope of a layer, file or tensor name; "" when there is none */
    char where[128];
    /** one sentence for a person; begins with file:line:column where there is one */
    char message[512];
} nncf_error;
/**
 * @brief Set up a record for its first use: `struct_size`, and zeros.
 * @param[out] err nullable
 * @param struct_size sizeof *err: a library that knows more members leaves them alone
 * @par Threads any.
 * @since 0.1
 */
NNCF_API void nncf_error_init(nncf_error *err, size_t struct_size);

/** Initializer of an nncf_error. @since 0.1 */
#define NNCF_ERROR_INIT                                                                            \
    {                                                                                              \
        sizeof(nncf_error), 0, 0, 0, 0, 0, "", ""                                                  \
    }

/**
 * First member of every parameter struct:
 * `nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = ...};`
 * Members left out are zero, and zero always means the documented default.
 *
 * `nncf_conv2d_params_init(&p, sizeof p)` does the same from every language, with the defaults
 * written out; each struct that begins with struct_size has such a function.
 *
 * In C++ `nncf_conv2d_params p = {}; p.struct_size = sizeof p; p.scope = ...;` says the same in
 * every standard. The macro is for C++20, where designated initializers begin, and there g++
 * -Wextra warns of every member that is left out
 * (-Wno-missing-field-initializers, or the form above). @since 0.1
 */
#define NNCF_PARAMS(type) .struct_size = sizeof(type)

/** Form of a text: one of NNCF_FORM_.... @since 0.1 */
typedef int32_t nncf_form;
/** Values of nncf_form. @since 0.1 */
enum {
    /** for people */
    NNCF_FORM_TEXT = 0,
    /** for programs */
    NNCF_FORM_JSON = 1,
    NNCF_FORM_SENTINEL = 0x7fffffff
};

/**
 * @brief Version of the library that is running, as NNCF_API_VERSION is composed.
 * @return the version, composed as NNCF_API_VERSION
 * @par Threads any.
 * @since 0.1
 */
NNCF_API uint32_t nncf_version_number(void);

/**
 * @brief Version of the library that is running, "major.minor.patch". Static storage.
 * @return a static text
 * @par Threads any.
 * @since 0.1
 */
NNCF_API const char *nncf_version_string(void);

/**
 * @brief Name of a status, "NNCF_E_ARG"; "NNCF_E_?" for a value that this library does not know.
 * Static storage.
 * @param status the value of an ::nncf_status
 * @return a static text, never NULL
 * @par Threads any.
 * @since 0.1
 */
NNCF_API const char *nncf_status_name(nncf_status status);

/**
 * @brief What a status means, as a sentence. Static storage.
 * @param status the value of an ::nncf_status
 * @return a static text, never NULL
 * @par Threads any.
 * @since 0.1
 */
NNCF_API const char *nncf_status_message(nncf_status status);

NNCF_END_DECLS
#endif
