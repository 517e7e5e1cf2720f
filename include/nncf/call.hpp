/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file call.hpp
 * @brief What nncf.hpp is made of: the error record as an exception, owners of objects of C, and
 * functions of C that throw. It names no object and no function, so it serves those of any release.
 */
#ifndef NNCF_CALL_HPP
#define NNCF_CALL_HPP

#include <nncf/nncf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/** The library in C++. @since 0.1 */
namespace nncf
{

/** A refused call. Copying it throws nothing. @since 0.1 */
class error : public std::exception
{
  public:
    /** The record of a call that returned `status`. */
    error(nncf_status status, const nncf_error &record) noexcept : record_(record)
    {
        record_.status = status;
        if (record_.message[0] == '\0')
            std::strncpy(record_.message, nncf_status_message(status), sizeof record_.message - 1);
    }
    /** One sentence for a person; begins with file:line:column where there is one. */
    const char *what() const noexcept override
    {
        return record_.message;
    }
    /** NNCF_E_... */
    nncf_status status() const noexcept
    {
        return record_.status;
    }
    /** Config path, scope of a layer, file or tensor name; "" when there is none. */
    const char *where() const noexcept
    {
        return record_.where;
    }
    /** Line in the input, counted from 1; 0 when there is none. */
    std::int32_t line() const noexcept
    {
        return record_.line;
    }
    /** Column in bytes, counted from 1; 0 when there is none. */
    std::int32_t column() const noexcept
    {
        return record_.column;
    }
    /** All of it. */
    const nncf_error &record() const noexcept
    {
        return record_;
    }

  private:
    nncf_error record_;
};

/** A parameter or result struct with struct_size set, everything else 0: the defaults. @since 0.1
 */
template <class Struct> Struct params() noexcept
{
    Struct s{};
    s.struct_size = sizeof s;
    return s;
}

/** Owns an object of C. @since 0.1 */
template <class Object, void (*Destroy)(Object *)> class handle
{
  public:
    /** None. */
    handle() noexcept = default;
    /** Takes over what C made. */
    explicit handle(Object *object) noexcept : object_(object)
    {
    }
    /** The object of C; nullptr when there is none. */
    Object *get() const noexcept
    {
        return object_.get();
    }
    /** Is there an object? */
    explicit operator bool() const noexcept
    {
        return static_cast<bool>(object_);
    }
    /** Destroys the object now. */
    void reset() noexcept
    {
        object_.reset();
    }
    /** Gives the object to the caller, who destroys it. */
    Object *release() noexcept
    {
        return object_.release();
    }

  private:
    struct destroy {
        void operator()(Object *object) const noexcept
        {
            Destroy(object);
        }
    };
    std::unique_ptr<Object, destroy> object_;
};

/** What is not part of the interface. */
namespace detail
{

[[noreturn]] inline void refuse(nncf_status status, const char *message)
{
    nncf_error record = NNCF_ERROR_INIT;
    std::strncpy(record.message, message, sizeof record.message - 1);
    throw error(status, record);
}

/* What C takes in place of an object of this header: whatever has get(). */
template <class T, class = void> struct has_get : std::false_type {
};
template <class T>
struct has_get<T, std::void_t<decltype(std::declval<T &>().get())>> : std::true_type {
};

template <class T> decltype(auto) to_c(T &&argument)
{
    using U = std::remove_reference_t<T>;
    if constexpr (std::is_same_v<std::remove_const_t<U>, std::string>)
        return argument.c_str();
    else if constexpr (has_get<U>::value)
        return argument.get();
    else
        return std::forward<T>(argument);
}

/* Numbers take the type of the parameter, as in C. */
template <class Param, class T> Param convert(T &&argument)
{
    if constexpr (std::is_arithmetic_v<Param> && std::is_arithmetic_v<std::decay_t<T>>)
        return static_cast<Param>(argument);
    else
        return to_c(std::forward<T>(argument));
}

template <class... Params, class... Args>
nncf_status invoke(nncf_status (*function)(Params...), Args &&...args)
{
    static_assert(sizeof...(Params) == sizeof...(Args), "arguments are missing or too many");
    return function(convert<Params>(std::forward<Args>(args))...);
}

} // namespace detail

/**
 * Calls a function of C with an error record as its last argument, and throws nncf::error if it is
 * refused: nncf::call(nncf_layer_set_uses, layer, 2). Objects of this header and std::string stand
 * for what C takes. @since 0.1
 */
template <class... Params, class... Args>
void call(nncf_status (*function)(Params...), Args &&...args)
{
    nncf_error record = NNCF_ERROR_INIT;
    nncf_status status = detail::invoke(function, std::forward<Args>(args)..., &record);
    if (status != NNCF_OK)
        throw error(status, record);
}

/**
 * The text of a function of C that ends in buffer, capacity, needed, err:
 * nncf::text(nncf_config_explain, config, NNCF_FORM_JSON). @since 0.1
 */
template <class... Params, class... Args>
std::string text(nncf_status (*function)(Params...), const Args &...args)
{
    std::size_t needed = 0;
    try {
        call(function, args..., nullptr, 0, &needed);
    } catch (const error &e) {
        if (e.status() != NNCF_E_BUFFER)
            throw;
    }
    std::string result(needed, '\0');
    call(function, args..., result.data(), result.size(), &needed);
    result.resize(std::strlen(result.c_str()));
    return result;
}

} // namespace nncf

#endif
