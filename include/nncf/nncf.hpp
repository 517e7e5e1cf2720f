/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file nncf.hpp
 * @brief libnncf for C++17, header only: objects that destroy themselves, and exceptions that carry
 * the error record. The headers of C say what each call does.
 *
 * - nncf::context, nncf::config, nncf::model, nncf::ctrl, nncf::plan and nncf::checkpoint own an
 *   object of C. They can be moved and not copied; get() returns the object of C.
 * - nncf::layer stands for a layer of a model, and nncf::tensor is a view of the caller's memory:
 *   both are copied freely and own nothing.
 * - training.hpp has accuracy-aware training, optimizers and the removal of filters, parallel.hpp
 * ranks and replicas; both are included here.
 * - A refused call throws nncf::error. What it had to change is as the C function says: as before.
 * - Every function of C can be used with them: nncf::call(nncf_layer_set_uses, layer, 2) adds the
 *   error record and throws; nncf::text(nncf_config_dump, config) returns a text. Functions of
 * later releases need no new wrapper, and model::add() takes the function that registers a layer.
 *
 * How long objects must live is what nncf.h shows: declare the context first, then the buffers of
 * the weights, the model, its controller; C++ destroys them in the other order. Threads: as in C.
 *
 * Nothing here is part of the ABI: it is compiled into the program.
 */
#ifndef NNCF_NNCF_HPP
#define NNCF_NNCF_HPP

#include <nncf/call.hpp>
#include <nncf/nncf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace nncf
{

/** Elements that lie one after the other in memory that someone else owns. @since 0.1 */
template <class T> class elements
{
  public:
    /** `size` elements from `data` on. */
    elements(T *data, std::size_t size) noexcept : data_(data), size_(size)
    {
    }
    /** The first one. */
    T *begin() const noexcept
    {
        return data_;
    }
    /** Past the last one. */
    T *end() const noexcept
    {
        return data_ + size_;
    }
    /** The first one. */
    T *data() const noexcept
    {
        return data_;
    }
    /** How many there are. */
    std::size_t size() const noexcept
    {
        return size_;
    }
    /** Not checked. */
    T &operator[](std::size_t i) const noexcept
    {
        return data_[i];
    }

  private:
    T *data_;
    std::size_t size_;
};

namespace detail
{

template <class T> constexpr nncf_dtype dtype_of() noexcept
{
    using U = std::remove_const_t<T>;
    static_assert(std::is_same_v<U, float> || std::is_same_v<U, double> ||
            std::is_same_v<U, std::uint8_t> || std::is_same_v<U, std::int8_t> ||
            std::is_same_v<U, std::int32_t> || std::is_same_v<U, std::int64_t>,
        "a tensor has elements of float, double, uint8_t, int8_t, int32_t or int64_t");
    return std::is_same_v<U, float>       ? NNCF_F32
        : std::is_same_v<U, double>       ? NNCF_F64
        : std::is_same_v<U, std::uint8_t> ? NNCF_U8
        : std::is_same_v<U, std::int8_t>  ? NNCF_S8
        : std::is_same_v<U, std::int32_t> ? NNCF_I32
                                          : NNCF_I64;
}

} // namespace detail

/**
 * A view of the caller's memory in C order: pointer, sizes, element type. A view of const elements
 * may only be read; the library does not check that. @since 0.1
 */
class tensor
{
  public:
    /** A view of nothing. */
    tensor() noexcept
    {
        c_.shape = shape_;
    }
    /** `data` has as many elements as the sizes say. */
    template <class T> tensor(T *data, std::initializer_list<std::int64_t> shape) : tensor()
    {
        set(data, shape.begin(), shape.size());
    }
    /** The same with `ndim` sizes in an array; they are copied. */
    template <class T> tensor(T *data, const std::int64_t *shape, std::size_t ndim) : tensor()
    {
        set(data, shape, ndim);
    }
    /** Of all elements of a vector; throws where the sizes say another number. */
    template <class T>
    tensor(std::vector<T> &data, std::initializer_list<std::int64_t> shape)
        : tensor(data.data(), shape)
    {
        if (data.size() != size())
            detail::refuse(
                NNCF_E_SHAPE, "the vector has another number of elements than the shape");
    }
    /** The same, to be read. */
    template <class T>
    tensor(const std::vector<T> &data, std::initializer_list<std::int64_t> shape)
        : tensor(const_cast<std::vector<T> &>(data), shape)
    {
    }
    /** Of the same memory. */
    tensor(const tensor &other) noexcept : tensor()
    {
        *this = other;
    }
    /** Of the same memory. */
    tensor &operator=(const tensor &other) noexcept
    {
        c_ = other.c_;
        std::memmove(shape_, other.shape_, sizeof shape_);
        c_.shape = shape_;
        return *this;
    }

    /** The struct of C; its shape points into this object. Codes have scale and zero_point here. */
    nncf_tensor *get() noexcept
    {
        return &c_;
    }
    /** The same. */
    const nncf_tensor *get() const noexcept
    {
        return &c_;
    }
    /** Element type, NNCF_F32 ... */
    nncf_dtype dtype() const noexcept
    {
        return c_.dtype;
    }
    /** Number of sizes. */
    std::size_t ndim() const noexcept
    {
        return static_cast<std::size_t>(c_.ndim);
    }
    /** The sizes. */
    elements<const std::int64_t> shape() const noexcept
    {
        return {shape_, ndim()};
    }
    /** Number of elements. */
    std::size_t size() const noexcept
    {
        std::size_t n = c_.data ? 1 : 0;
        for (std::int64_t d : shape())
            n *= static_cast<std::size_t>(d);
        return n;
    }
    /** The elements; throws where they are of another type. */
    template <class T> elements<T> values() const
    {
        if (detail::dtype_of<T>() != c_.dtype)
            detail::refuse(NNCF_E_DTYPE, "the elements of the tensor are of another type");
        return {static_cast<T *>(c_.data), size()};
    }

  private:
    template <class T> void set(T *data, const std::int64_t *shape, std::size_t ndim)
    {
        if (ndim > NNCF_MAX_NDIM)
            detail::refuse(NNCF_E_LIMIT, "a tensor has at most NNCF_MAX_NDIM dimensions");
        std::int64_t left = std::numeric_limits<std::int64_t>::max();
        for (std::size_t i = 0; i < ndim; i++) {
            if (shape[i] < 0 || (shape[i] > 0 && (left /= shape[i]) == 0))
                detail::refuse(
                    NNCF_E_SHAPE, "a size of the tensor is negative, or their product too large");
            shape_[i] = shape[i];
        }
        c_.data = const_cast<std::remove_const_t<T> *>(data);
        c_.ndim = static_cast<std::int32_t>(ndim);
        c_.dtype = detail::dtype_of<T>();
    }

    nncf_tensor c_{};
    std::int64_t shape_[NNCF_MAX_NDIM] = {};
};

/** Argument: one tensor, or several in braces. @since 0.1 */
class tensors
{
  public:
    /** One. It must outlive this object, as an argument does. */
    tensors(const tensor &one) noexcept : data_(one.get()), count_(1)
    {
    }
    /** Several. */
    tensors(std::initializer_list<tensor> several) : count_(several.size())
    {
        many_.reserve(several.size());
        for (const tensor &t : several)
            many_.push_back(*t.get());
        data_ = many_.data();
    }
    /** Not copied: the pointers are those of the arguments. */
    tensors(const tensors &) = delete;
    tensors &operator=(const tensors &) = delete;
    /** An array for C. */
    const nncf_tensor *data() const noexcept
    {
        return data_;
    }
    /** Its length. */
    std::size_t size() const noexcept
    {
        return count_;
    }

  private:
    std::vector<nncf_tensor> many_;
    const nncf_tensor *data_ = nullptr;
    std::size_t count_;
};

/**
 * How the library allocates, logs, uses threads: nncf_context_create(). Optional. It must outlive
 * what is made with it. @since 0.1
 */
class context
{
  public:
    /** Receives a line of the log. What it throws is dropped: C is in between. */
    using log_function = std::function<void(nncf_log_level, std::string_view)>;

    /** Of the parameters of C: nncf::params<nncf_context_params>(), then its members. */
    explicit context(
        const nncf_context_params &p = params<nncf_context_params>(), log_function log = {})
    {
        nncf_context_params with = p;
        if (log) {
            log_ = std::make_unique<log_function>(std::move(log));
            with.log = [](void *user, nncf_log_level level, const char *line) {
                try {
                    (*static_cast<log_function *>(user))(level, line);
                } catch (...) {
                }
            };
            with.log_user = log_.get();
        }
        nncf_context *made = nullptr;
        call(nncf_context_create, NNCF_API_VERSION, &with, &made);
        c_ = handle<nncf_context, nncf_context_destroy>(made);
    }
    context(context &&) noexcept = default;
    /** Destroys the present one. */
    context &operator=(context &&other) noexcept
    {
        c_ = std::move(other.c_); /* before the function that it logs to */
        log_ = std::move(other.log_);
        return *this;
    }
    /** The object of C. */
    nncf_context *get() const noexcept
    {
        return c_.get();
    }
    /** One line: version, instruction set, BLIS, integer kernels, threads. */
    std::string description() const
    {
        const char *line = nncf_context_get_description(get());
        return line ? line : "";
    }

  private:
    std::unique_ptr<log_function> log_; /* destroyed last */
    handle<nncf_context, nncf_context_destroy> c_;
};

namespace detail
{
inline nncf_context *context_of(const context *c) noexcept
{
    return c ? c->get() : nullptr;
}
} // namespace detail

/** A config: nncf_config_load(), nncf_config_parse(). @since 0.1 */
class config : public handle<nncf_config, nncf_config_destroy>
{
  public:
    config() noexcept = default;
    using handle::handle;

    /** From a file. */
    static config load(const std::string &path, const context *with = nullptr,
        const nncf_config_params *options = nullptr)
    {
        nncf_config *made = nullptr;
        call(nncf_config_load, detail::context_of(with), path, options, &made);
        return config(made);
    }
    /** From a text; `name` stands for the file's in messages. */
    static config parse(std::string_view json, const context *with = nullptr,
        const nncf_config_params *options = nullptr, const char *name = nullptr)
    {
        nncf_config *made = nullptr;
        call(nncf_config_parse, detail::context_of(with), name, json.data(), json.size(), options,
            &made);
        return config(made);
    }

    /** Is there a value at `path`, such as "optimizer.base_lr"? */
    bool has(const std::string &path) const
    {
        return nncf_config_get_type(get(), path.c_str(), nullptr, nullptr) == NNCF_OK;
    }
    /** A value of type bool, double, std::string or a whole number; throws where there is none. */
    template <class T> T value(const std::string &path) const
    {
        if constexpr (std::is_same_v<T, bool>) {
            std::int32_t v = 0;
            call(nncf_config_get_bool, get(), path, &v);
            return v != 0;
        } else if constexpr (std::is_same_v<T, double>) {
            double v = 0.0;
            call(nncf_config_get_double, get(), path, &v);
            return v;
        } else if constexpr (std::is_same_v<T, std::string>) {
            const char *v = nullptr;
            call(nncf_config_get_string, get(), path, &v);
            return v;
        } else {
            static_assert(
                std::is_integral_v<T>, "a config has bool, double, std::string, integers");
            std::int64_t v = 0;
            call(nncf_config_get_int, get(), path, &v);
            if (static_cast<std::int64_t>(static_cast<T>(v)) != v ||
                (v < 0 && std::is_unsigned_v<T>))
                call(nncf_config_set_error, get(), path, "the number does not fit its type");
            return static_cast<T>(v);
        }
    }
    /** The value at `path`, or `otherwise` where there is none; throws where it is of another type.
     */
    template <class T> T value(const std::string &path, T otherwise) const
    {
        return has(path) ? value<T>(path) : otherwise;
    }
    /** The effective config as JSON. */
    std::string dump() const
    {
        return text(nncf_config_dump, *this);
    }
    /** Every value with its origin. */
    std::string explain(nncf_form form = NNCF_FORM_TEXT) const
    {
        return text(nncf_config_explain, *this, form);
    }
};

/** A layer of a model, which owns it. Without one (false): nncf_model_find_layer() found none.
 * @since 0.1 */
class layer
{
  public:
    layer() noexcept = default;
    /** Of C. */
    explicit layer(nncf_layer *c) noexcept : c_(c)
    {
    }
    /** The object of C. */
    nncf_layer *get() const noexcept
    {
        return c_;
    }
    /** Is there one? */
    explicit operator bool() const noexcept
    {
        return c_ != nullptr;
    }
    /** Its name. */
    std::string scope() const
    {
        const char *name = nncf_layer_get_scope(c_);
        return name ? name : "";
    }
    /** Sizes of the output for inputs of these sizes. */
    std::vector<std::int64_t> output_shape(const tensors &x) const
    {
        std::int64_t sizes[NNCF_MAX_NDIM];
        std::int32_t ndim = 0;
        call(nncf_layer_get_output_shape, c_, x.data(), x.size(), sizes, std::size_t{NNCF_MAX_NDIM},
            &ndim);
        return std::vector<std::int64_t>(sizes, sizes + ndim);
    }
    /** NNCF_U8 or NNCF_S8 where the output can be codes, else NNCF_F32. */
    nncf_dtype output_dtype() const noexcept
    {
        return nncf_layer_get_output_dtype(c_);
    }
    /** Forward; `y` receives scale and zero point, too. */
    void forward(const tensors &x, tensor &y) const
    {
        call(nncf_layer_forward, c_, x.data(), x.size(), y);
    }
    /** Backward; `dy` is used up. The gradient of x is not computed. */
    void backward(const tensors &x, tensor &dy) const
    {
        call(nncf_layer_backward, c_, x.data(), x.size(), dy, nullptr);
    }
    /** Backward with the gradients of x, as many tensors as x has. */
    void backward(const tensors &x, tensor &dy, const tensors &dx) const
    {
        if (dx.size() != x.size())
            detail::refuse(NNCF_E_ARG, "backward needs as many gradients as inputs");
        std::vector<nncf_tensor> written(dx.data(), dx.data() + dx.size());
        call(nncf_layer_backward, c_, x.data(), x.size(), dy, written.data());
    }

  private:
    nncf_layer *c_ = nullptr;
};

/** The caller's network: nncf_model_create(). Its buffers must outlive it. @since 0.1 */
class model : public handle<nncf_model, nncf_model_destroy>
{
  public:
    using handle::handle;
    /** Empty; it makes itself a default context. */
    model() : model(static_cast<const context *>(nullptr))
    {
    }
    /** Empty, with a context that outlives it. */
    explicit model(const context &with) : model(&with)
    {
    }

    /** Register a layer: model.add(nncf_model_add_conv2d, params). */
    template <class Params>
    layer add(nncf_status (*function)(nncf_model *, const Params *, nncf_layer **, nncf_error *),
        const Params &what)
    {
        nncf_layer *made = nullptr;
        call(function, get(), &what, &made);
        return layer(made);
    }
    /** The same, with the layers that feed it: model.add(nncf_model_add_sum, params, {a, b}). */
    template <class Params>
    layer add(nncf_status (*function)(nncf_model *, const Params *, nncf_layer **, nncf_error *),
        const Params &what, std::initializer_list<layer> inputs)
    {
        std::vector<nncf_layer *> list;
        for (const layer &input : inputs)
            list.push_back(input.get());
        Params with = what;
        with.inputs = list.data();
        with.n_inputs = list.size();
        return add(function, with);
    }

    /** Number of layers. */
    std::size_t size() const noexcept
    {
        return nncf_model_get_layer_count(get());
    }
    /** Layer `index` in the order of registration; none (false) past the end. */
    layer operator[](std::size_t index) const noexcept
    {
        return layer(nncf_model_get_layer(get(), index));
    }
    /** The layer of that scope; none (false) if there is none. */
    layer find(const std::string &scope) const noexcept
    {
        return layer(nncf_model_find_layer(get(), scope.c_str()));
    }
    /** NNCF_MODE_TRAIN or NNCF_MODE_EVAL, for every later forward. */
    void set_mode(nncf_mode how)
    {
        call(nncf_model_set_mode, get(), how);
    }
    /** The present one. */
    nncf_mode mode() const noexcept
    {
        return nncf_model_get_mode(get());
    }
    /** What a step over inputs of these sizes needs. */
    nncf_memory memory(const tensors &inputs, nncf_mode how = NNCF_MODE_TRAIN) const
    {
        nncf_memory result = params<nncf_memory>();
        call(nncf_model_get_memory, get(), inputs.data(), inputs.size(), how, &result);
        return result;
    }

  private:
    explicit model(const context *with)
    {
        nncf_model *made = nullptr;
        call(nncf_model_create, detail::context_of(with), &made);
        static_cast<handle &>(*this) = handle(made);
    }
};

/** What a config will do to a model: nncf_plan_create(). Destroy it before the model. @since 0.1 */
class plan : public handle<nncf_plan, nncf_plan_destroy>
{
  public:
    plan() noexcept = default;
    /** Predict. */
    plan(const model &of, const config &by)
    {
        nncf_plan *made = nullptr;
        call(nncf_plan_create, of, by, &made);
        static_cast<handle &>(*this) = handle(made);
    }
    /** As a table or as JSON. */
    std::string format(nncf_form form = NNCF_FORM_TEXT) const
    {
        return text(nncf_plan_format, *this, form);
    }
};

/** What a config does to a model: nncf_compression_ctrl_create(). Destroy it before the model.
 * @since 0.1 */
class ctrl : public handle<nncf_compression_ctrl, nncf_compression_ctrl_destroy>
{
  public:
    ctrl() noexcept = default;
    /** Apply a config, which is not needed afterwards. */
    ctrl(const model &of, const config &by)
    {
        nncf_compression_ctrl *made = nullptr;
        call(nncf_compression_ctrl_create, of, by, &made);
        static_cast<handle &>(*this) = handle(made);
    }
    /** NNCF_PRECISION_...: what to run before it is called again, until NNCF_PRECISION_DONE. */
    std::int32_t precision_step()
    {
        std::int32_t more = 0;
        call(nncf_compression_ctrl_precision_step, get(), &more);
        return more;
    }
    /** All of precision_step(): `pass(bool fresh)` runs forward, the loss and backward over the
     * next batch, or over the last one again. */
    template <class Pass> void choose_precision(Pass &&pass)
    {
        while (std::int32_t what = precision_step())
            pass(what == NNCF_PRECISION_NEW_BATCH);
    }
    /** What bits cost, for criterion "host"; the function is kept. It must not throw. An empty one
     * takes the last one away. */
    void set_precision_cost(
        std::function<double(layer, std::int32_t weight_bits, std::int32_t activation_bits)> cost)
    {
        if (!cost) {
            double (*none)(void *, const nncf_layer *, std::int32_t, std::int32_t) = nullptr;
            call(nncf_compression_ctrl_set_precision_cost, get(), none, nullptr);
            cost_.reset();
            return;
        }
        auto kept = std::make_unique<decltype(cost)>(std::move(cost));
        call(
            nncf_compression_ctrl_set_precision_cost, get(),
            +[](void *user, const nncf_layer *of, std::int32_t weight_bits,
                 std::int32_t activation_bits) -> double {
                return (*static_cast<decltype(cost) *>(user))(
                    layer(const_cast<nncf_layer *>(of)), weight_bits, activation_bits);
            },
            kept.get());
        cost_ = std::move(kept);
    }
    /** Give up precision_step(): the weights as they were. */
    void stop_precision()
    {
        call(nncf_compression_ctrl_stop_precision, get());
    }
    /** The bits that were chosen, as a table or as JSON. */
    std::string format_precision(nncf_form form = NNCF_FORM_TEXT) const
    {
        return text(nncf_compression_ctrl_format_precision, *this, form);
    }
    /** True: run forward of every layer over a batch, and call it again. */
    bool init_step()
    {
        std::int32_t more = 0;
        call(nncf_compression_ctrl_init_step, get(), &more);
        return more != 0;
    }
    /** All of initialization; `forward` runs every layer over the next batch. */
    template <class Forward> void initialize(Forward &&forward)
    {
        while (init_step())
            forward();
    }
    /** Backward of the compression loss, which is returned. Once a step. */
    double loss_backward()
    {
        double loss = 0.0;
        call(nncf_compression_ctrl_loss_backward, get(), &loss);
        return loss;
    }
    /** After the optimizer's step of each batch. */
    void step()
    {
        call(nncf_compression_ctrl_step, get());
    }
    /** After each epoch. */
    void epoch_step()
    {
        call(nncf_compression_ctrl_epoch_step, get());
    }
    /** Backward of the distillation loss, which is returned: added to `d_output`. */
    double distillation_backward(
        const tensor &output, const tensor &teacher, const tensor &d_output)
    {
        double loss = 0.0;
        call(nncf_compression_ctrl_distillation_backward, get(), output, teacher, d_output, &loss);
        return loss;
    }
    /** Sparsity, or the part that is pruned, in place of the schedule's. */
    void set_compression_rate(double rate)
    {
        call(nncf_compression_ctrl_set_compression_rate, get(), rate);
    }
    /** A step of the library's optimizer over parameters(), in place of the caller's. */
    void update(const nncf_update_params &rule = params<nncf_update_params>())
    {
        call(nncf_compression_ctrl_update, get(), &rule);
    }
    /** Clear the gradients of parameters(). */
    void zero_grad()
    {
        call(nncf_compression_ctrl_zero_grad, get());
    }
    /** What the optimizer updates besides the caller's own: data, grad, count, frozen. */
    std::vector<nncf_parameter> parameters() const
    {
        std::vector<nncf_parameter> list(
            nncf_compression_ctrl_get_parameter_count(get()), params<nncf_parameter>());
        for (std::size_t i = 0; i < list.size(); i++)
            call(nncf_compression_ctrl_get_parameter, get(), i, &list[i]);
        return list;
    }
    /** What looks like a mistake in the training loop, so far: for programs without a log. */
    std::vector<std::string> warnings() const
    {
        std::vector<std::string> list;
        for (std::size_t i = 0; i < nncf_compression_ctrl_get_warning_count(get()); i++)
            list.push_back(nncf_compression_ctrl_get_warning(get(), i));
        return list;
    }
    /** What the config's `params` say for the present moment. */
    nncf_stage stage(double part_of_epoch) const
    {
        nncf_stage result = params<nncf_stage>();
        call(nncf_compression_ctrl_get_stage, get(), part_of_epoch, &result);
        return result;
    }
    /** Totals over the model. */
    nncf_statistics statistics() const
    {
        nncf_statistics result = params<nncf_statistics>();
        call(nncf_compression_ctrl_get_statistics, get(), &result);
        return result;
    }
    /** Of layer `index` of the model. */
    nncf_layer_statistics layer_statistics(std::size_t index) const
    {
        nncf_layer_statistics result = params<nncf_layer_statistics>();
        call(nncf_compression_ctrl_get_layer_statistics, get(), index, &result);
        return result;
    }
    /** As a table or as JSON. */
    std::string format_statistics(nncf_form form = NNCF_FORM_TEXT) const
    {
        return text(nncf_compression_ctrl_format_statistics, *this, form);
    }
    /** Write a snapshot of the controller and of the caller's tensors. */
    void save(const std::string &path, const std::vector<nncf_checkpoint_tensor> &list = {},
        const nncf_checkpoint_save_params *options = nullptr) const
    {
        call(nncf_checkpoint_save, get(), path, list.data(), list.size(), options);
    }

  private:
    std::unique_ptr<std::function<double(layer, std::int32_t, std::int32_t)>> cost_;
};

/** A snapshot that is open for reading: nncf_checkpoint_open(). @since 0.1 */
class checkpoint : public handle<nncf_checkpoint, nncf_checkpoint_close>
{
  public:
    checkpoint() noexcept = default;
    /** Open and check it. */
    explicit checkpoint(const std::string &path, const context *with = nullptr)
    {
        nncf_checkpoint *made = nullptr;
        call(nncf_checkpoint_open, detail::context_of(with), path, nullptr, &made);
        static_cast<handle &>(*this) = handle(made);
    }
    /** Names of all tensors, in the order of the file. */
    std::vector<std::string> names() const
    {
        std::vector<std::string> list(nncf_checkpoint_get_tensor_count(get()));
        for (std::size_t i = 0; i < list.size(); i++)
            list[i] = nncf_checkpoint_get_tensor_name(get(), i);
        return list;
    }
    /** A view of a tensor, to be read while the snapshot is open. */
    nncf_tensor find(const std::string &name) const
    {
        nncf_tensor view{};
        call(nncf_checkpoint_get_tensor, get(), name, &view);
        return view;
    }
    /** Fill the caller's tensors from those of their names. */
    void read(const std::vector<nncf_checkpoint_tensor> &list) const
    {
        call(nncf_checkpoint_read, get(), list.data(), list.size());
    }
    /** A text that was saved with it; empty where there is none of that name. */
    std::string metadata(const std::string &name) const
    {
        const char *found = nncf_checkpoint_get_text(get(), name.c_str());
        return found ? found : "";
    }
    /** Put a controller into the state that was saved. */
    nncf_checkpoint_restore_report restore(
        const ctrl &into, const nncf_checkpoint_restore_params *options = nullptr) const
    {
        auto report = nncf::params<nncf_checkpoint_restore_report>();
        call(nncf_checkpoint_restore, get(), into, options, &report);
        return report;
    }
};

} // namespace nncf

#include <nncf/parallel.hpp>
#include <nncf/training.hpp>

#endif
