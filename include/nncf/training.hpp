/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file training.hpp
 * @brief What training loops use besides a controller, for C++17: accuracy-aware training, a step
 * of an optimizer, and the removal of pruned filters. nncf.hpp includes it.
 */
#ifndef NNCF_TRAINING_HPP
#define NNCF_TRAINING_HPP

#include <nncf/nncf.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace nncf
{

/** Accuracy-aware training: nncf_accuracy_aware_create(). Destroy it before the controller.
 * @since 0.1 */
class accuracy_aware : public handle<nncf_accuracy_aware, nncf_accuracy_aware_destroy>
{
  public:
    accuracy_aware() noexcept = default;
    /** Begin what the config says; the metric is that of the model before compression, higher is
     * better. A text of state() continues an earlier one. */
    accuracy_aware(const ctrl &of, const config &by, double uncompressed_metric,
        const std::string &state = std::string())
    {
        auto with = params<nncf_accuracy_aware_params>();
        with.uncompressed_metric = uncompressed_metric;
        with.state = state.empty() ? nullptr : state.c_str();
        create(of, by, with);
    }
    /** The same with all parameters of C. */
    accuracy_aware(const ctrl &of, const config &by, const nncf_accuracy_aware_params &with)
    {
        create(of, by, with);
    }
    /** Report the metric, once before the first epoch and then after each; what to do next. */
    nncf_accuracy_aware_decision report(double metric)
    {
        auto decision = params<nncf_accuracy_aware_decision>();
        call(nncf_accuracy_aware_report, get(), metric, &decision);
        return decision;
    }
    /** A text for a snapshot. */
    std::string state() const
    {
        return text(nncf_accuracy_aware_get_state, get());
    }

  private:
    void create(const ctrl &of, const config &by, const nncf_accuracy_aware_params &with)
    {
        nncf_accuracy_aware *made = nullptr;
        call(nncf_accuracy_aware_create, of, by, &with, &made);
        static_cast<handle &>(*this) = handle(made);
    }
};

/** One step over arrays of the caller's: nncf_optimizer_step(). `rule` comes from
 * nncf::params<nncf_optimizer_params>() and has the number of the step. @since 0.1 */
inline void optimizer_step(const nncf_optimizer_params &rule,
    const std::vector<nncf_optimizer_array> &arrays, const context *with = nullptr)
{
    call(nncf_optimizer_step, detail::context_of(with), &rule, arrays.data(), arrays.size());
}

/** Number of elements that an array has after a shrink. @since 0.1 */
inline std::size_t new_size(const nncf_shrink_array &array) noexcept
{
    std::size_t n = 1;
    for (std::int32_t axis = 0; axis < array.ndim; axis++)
        n *= static_cast<std::size_t>(array.new_shape[axis]);
    return n;
}

/** Of an array in the old shape, such as an optimizer's, what stays: nncf_shrink_gather(). Throws
 * where `from` has another number of elements. @since 0.1 */
inline std::vector<float> gather(const nncf_shrink_array &array, const std::vector<float> &from)
{
    std::size_t n = 1;
    for (std::int32_t axis = 0; axis < array.ndim; axis++)
        n *= static_cast<std::size_t>(array.shape[axis]);
    if (from.size() != n)
        detail::refuse(NNCF_E_SHAPE, "the vector has another number of elements than the array");
    std::vector<float> to(new_size(array));
    call(nncf_shrink_gather, &array, from.data(), to.data());
    return to;
}

/** Runs before anything changes: sets new_data and new_grad of nncf_shrink_array. @since 0.1 */
using resize_function = std::function<void(nncf_shrink_array &)>;
/** Runs when an array has its new contents. @since 0.1 */
using moved_function = std::function<void(const nncf_shrink_array &)>;

/**
 * Take the pruned filters out of the model: nncf_compression_ctrl_shrink(). Without `resize` arrays
 * stay where they are, with their kept elements in front. What `resize` throws ends the call with
 * the model as before, and comes out of it; so does what `moved` throws, after all has moved.
 * `removed`: the text "nncf.removed" of a snapshot, in place of the masks. @since 0.1
 */
inline void shrink(const ctrl &of, const resize_function &resize = {},
    const moved_function &moved = {}, const std::string &removed = std::string())
{
    struct functions {
        const resize_function &resize;
        const moved_function &moved;
        std::exception_ptr thrown;
    } all{resize, moved, nullptr};
    auto with = params<nncf_shrink_params>();
    with.user = &all;
    with.removed = removed.empty() ? nullptr : removed.c_str();
    if (resize)
        with.resize = [](void *user, nncf_shrink_array *array) -> std::int32_t {
            auto *f = static_cast<functions *>(user);
            try {
                f->resize(*array);
            } catch (...) {
                f->thrown = std::current_exception();
            }
            return f->thrown ? 1 : 0;
        };
    if (moved)
        with.moved = [](void *user, const nncf_shrink_array *array) {
            auto *f = static_cast<functions *>(user);
            try {
                f->moved(*array);
            } catch (...) {
                f->thrown = std::current_exception();
            }
        };
    nncf_error record = NNCF_ERROR_INIT;
    const nncf_status status = nncf_compression_ctrl_shrink(of.get(), &with, &record);
    if (all.thrown)
        std::rethrow_exception(all.thrown);
    if (status != NNCF_OK)
        throw error(status, record);
}

} // namespace nncf

#endif
