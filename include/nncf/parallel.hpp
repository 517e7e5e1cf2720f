/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file parallel.hpp
 * @brief Data parallel training for C++17: gradients, ranks, and replicas on threads. nncf.hpp
 * includes it; parallel.h says what each call does.
 */
#ifndef NNCF_PARALLEL_HPP
#define NNCF_PARALLEL_HPP

#include <nncf/nncf.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace nncf
{

/** Every gradient of a model, in the order in which backward finishes them. @since 0.1 */
inline std::vector<nncf_gradient> gradients(const model &of)
{
    std::vector<nncf_gradient> list(
        nncf_model_get_gradient_count(of.get()), params<nncf_gradient>());
    for (std::size_t i = 0; i < list.size(); i++)
        call(nncf_model_get_gradient, of, i, &list[i]);
    return list;
}

/** All gradients one after the other. @since 0.1 */
inline std::vector<float> pack_gradients(const model &of)
{
    const auto list = gradients(of);
    std::size_t n = 0;
    for (const nncf_gradient &g : list)
        n += g.count;
    std::vector<float> values(n);
    call(nncf_model_pack_gradients, of, 0, list.size(), values.data());
    return values;
}

/** Replace all gradients by these times `factor`; throws where there are more or fewer. @since 0.1
 */
inline void unpack_gradients(const model &of, const std::vector<float> &values, double factor)
{
    const auto list = gradients(of);
    std::size_t n = 0;
    for (const nncf_gradient &g : list)
        n += g.count;
    if (n != values.size())
        detail::refuse(NNCF_E_SHAPE, "the vector has another number of values than the gradients");
    call(nncf_model_unpack_gradients, of, 0, list.size(), values.data(), factor);
}

/**
 * This process among others: makes a model one of several ranks, and a single process again when
 * it is destroyed. Declare it after the model. @since 0.1
 */
class ranks
{
  public:
    /** nncf_collective_params::all_reduce; what it throws makes the call NNCF_E_CALLBACK. */
    using all_reduce_function = std::function<void(
        void *values, std::size_t count, nncf_dtype dtype, nncf_reduction reduction)>;

    /** Rank `rank` of `size`. */
    ranks(const model &of, std::int32_t rank, std::int32_t size, all_reduce_function all_reduce,
        nncf_collective_flags flags = 0)
        : state_(std::make_unique<state>())
    {
        state_->all_reduce = std::move(all_reduce);
        auto with = params<nncf_collective_params>();
        with.rank = rank;
        with.size = size;
        with.flags = flags;
        with.user = state_.get();
        with.all_reduce = [](void *user, void *values, std::size_t count, nncf_dtype dtype,
                              nncf_reduction reduction) -> std::int32_t {
            auto *s = static_cast<state *>(user);
            try {
                s->all_reduce(values, count, dtype, reduction);
                return 0;
            } catch (...) {
                s->thrown = std::current_exception();
                return 1;
            }
        };
        call(nncf_model_set_collective, of, &with);
        state_->of = of.get();
    }
    ranks(ranks &&) noexcept = default;
    /** Ends the present one first. */
    ranks &operator=(ranks &&other) noexcept
    {
        end();
        state_ = std::move(other.state_);
        return *this;
    }
    ~ranks()
    {
        end();
    }
    /** What all_reduce threw last, if it did. */
    std::exception_ptr thrown() const noexcept
    {
        return state_ ? state_->thrown : nullptr;
    }
    /** Running statistics become their averages over the ranks. */
    void average_statistics()
    {
        call(nncf_model_average_statistics, owner());
    }
    /** Throws where the ranks are not in step. */
    void check()
    {
        call(nncf_model_check_ranks, owner());
    }
    /** Where the rows of this rank begin in the whole batch; -1: rank times its rows. */
    void set_first_row(std::int64_t row)
    {
        call(nncf_model_set_first_row, owner(), row);
    }

  private:
    struct state {
        all_reduce_function all_reduce;
        std::exception_ptr thrown;
        nncf_model *of = nullptr;
    };
    nncf_model *owner() const
    {
        if (!state_)
            detail::refuse(NNCF_E_STATE, "these ranks were moved from");
        return state_->of;
    }
    void end() noexcept
    {
        if (state_ && state_->of)
            nncf_model_set_collective(state_->of, nullptr, nullptr);
    }
    std::unique_ptr<state> state_;
};

/**
 * A model and replicas of it, which work on parts of a batch in threads of their own. Declare it
 * after the controller. It keeps the model's object of C: the nncf::model may be moved. @since 0.1
 */
class replicas
{
  public:
    /** `count` replicas beside the model, each with a context of its own. */
    replicas(model &of, std::size_t count) : first_(of.get())
    {
        others_.reserve(count);
        for (std::size_t i = 0; i < count; i++) {
            nncf_model *made = nullptr;
            call(nncf_model_create_replica, of, nullptr, &made);
            others_.emplace_back(made);
        }
    }
    /** Number of parts: the replicas and the model. */
    std::size_t size() const noexcept
    {
        return others_.size() + 1;
    }
    /** Part 0 is the model itself, which its owner destroys: do not move it from here. Not checked.
     */
    model &operator[](std::size_t part) noexcept
    {
        return part == 0 ? first_.of : others_[part - 1];
    }
    /**
     * One batch: `run(part, model)` for each part, side by side (part 0 in this thread), with
     * forward and backward of its rows; then the gradients are added to the model's. Throws what
     * the first part that failed threw.
     */
    template <class Run> void run(Run &&run)
    {
        call(nncf_model_begin_replicas, first_.of);
        std::vector<std::exception_ptr> thrown(size());
        auto one = [&](std::size_t part) noexcept {
            try {
                run(part, (*this)[part]);
            } catch (...) {
                thrown[part] = std::current_exception();
            }
        };
        std::vector<std::thread> threads;
        threads.reserve(others_.size());
        try {
            for (std::size_t part = 1; part < size(); part++)
                threads.emplace_back(one, part);
            one(0);
        } catch (...) { /* no thread could be made */
            thrown[0] = std::current_exception();
        }
        for (std::thread &t : threads)
            t.join();
        nncf_error record = NNCF_ERROR_INIT;
        const nncf_status status = nncf_model_end_replicas(first_.of.get(), &record);
        for (const std::exception_ptr &e : thrown)
            if (e)
                std::rethrow_exception(e);
        if (status != NNCF_OK)
            throw error(status, record);
    }

  private:
    /* Does not destroy what it holds. */
    struct borrowed {
        model of;
        explicit borrowed(nncf_model *object) noexcept : of(object)
        {
        }
        borrowed(borrowed &&) noexcept = default;
        borrowed &operator=(borrowed &&other) noexcept
        {
            (void)of.release();
            of = std::move(other.of);
            return *this;
        }
        ~borrowed()
        {
            (void)of.release();
        }
    };
    borrowed first_;
    std::vector<model> others_;
};

} // namespace nncf

#endif
