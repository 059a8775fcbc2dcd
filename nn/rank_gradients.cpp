#include "weft/nn/rank_gradients.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "weft/core/device_link.h"
#include "weft/core/loop.h"
#include "weft/nn/rank_sum_bodies.h"

namespace weft {
namespace {

/// Numbers of one side of a sum, of one item of the batch.
std::int64_t length(const OuterSum& sum, const OuterSum::Side& side, std::int64_t last) {
  return (sum.n1 - 1) * side.first + (sum.n2 - 1) * side.second + last;
}
std::int64_t left_length(const OuterSum& sum) { return length(sum, sum.left, sum.rows); }
std::int64_t right_length(const OuterSum& sum) { return length(sum, sum.right, sum.columns); }
std::int64_t factor_numbers(const OuterSum& sum) { return sum.rank * (left_length(sum) + right_length(sum)); }

/// Before the factors of one sum; its numbers follow, side behind side, padded to 8 bytes.
struct FactorHead {
  std::int64_t rank_of_job, parameter, n1, n2, rows, columns, rank, left_first, left_second, right_first, right_second;
};

FactorHead head_at(std::span<const std::byte> bytes, std::size_t at) {
  FactorHead head;
  std::memcpy(&head, bytes.data() + at, sizeof head);
  return head;
}

/// Numbers in a message, as a tensor like t on the CPU.
Tensor here(std::byte* numbers, const Tensor& t) { return Tensor::view_of(numbers, t.shape(), t.dtype()); }

std::size_t padded(std::int64_t numbers, DType dtype) {
  return (static_cast<std::size_t>(numbers) * size_of(dtype) + 7) / 8 * 8;
}

OuterSum sum_of(const FactorHead& head, DType dtype) {
  return {.dtype = dtype,
          .n1 = head.n1,
          .n2 = head.n2,
          .rows = head.rows,
          .columns = head.columns,
          .rank = head.rank,
          .left = {nullptr, 0, head.left_first, head.left_second},
          .right = {nullptr, 0, head.right_first, head.right_second}};
}

void add_numbers(Backend* backend, DType dtype, void* to, const void* from, std::int64_t n) {
  with_float(dtype, "ranks", [&](auto tag) {
    using T = decltype(tag);
    loop(backend, n, 1 << 15, AddRank<T>{static_cast<T*>(to), static_cast<const T*>(from)});
  });
}

/// Recursive doubling: on all ranks the sum of what each has, added up in one order.
template <class Message>
void double_over_ranks(const Ranks& job, Message& own) {
  const int all = static_cast<int>(std::bit_floor(static_cast<unsigned>(job.size()))), rank = job.rank();
  // Those beyond a power of two leave their share to another, and take what comes of it.
  if (rank >= all) {
    own.send(rank - all);
    own.take(rank - all);
    return;
  }
  const bool helps = rank + all < job.size();
  if (helps) own.add(rank + all);
  for (int distance = 1; distance < all; distance *= 2) own.exchange_and_add(rank ^ distance);
  if (helps) own.send(rank + all);
}

}  // namespace

RankGradients::RankGradients(Parameters& parameters, Ranks& job, bool whole)
    : parameters_(parameters), job_(job), dtype_(parameters.flat_values().dtype()) {
  if (Backend* backend = parameters.backend()) {
    link_ = backend->link(job);
    received_ = Tensor::zeros(parameters.flat_grads().shape(), dtype_, backend);
  }
  if (!whole) return;
  for (int i = 0; i < parameters_.count(); ++i)
    if (const ParameterGradient* g = parameters_.gradient(i); g && g->factored) formed_.push_back(i);
  chosen_ = true;
}

RankGradients::~RankGradients() = default;

std::string RankGradients::detour() const { return link_ ? link_->detour() : ""; }

/// Rank 0 decides, by its first mini-batch, for all.
void RankGradients::choose_forms() {
  std::string told;
  if (job_.first())
    for (int i = 0; i < parameters_.count(); ++i) {
      const ParameterGradient* g = parameters_.gradient(i);
      if (!g || !g->factored) continue;
      std::int64_t numbers = 0;
      for (const OuterSum* s = g->factors.sums; s; s = s->next) numbers += factor_numbers(*s);
      told += job_.size() * numbers < parameters_.shape(i).numel() ? 'f' : 'w';
    }
  told = job_.broadcast(told);
  std::size_t at = 0;
  for (int i = 0; i < parameters_.count(); ++i)
    if (const ParameterGradient* g = parameters_.gradient(i); g && g->factored)
      (told[at++] == 'f' ? factored_ : formed_).push_back(i);
  chosen_ = true;
}

std::int64_t RankGradients::whole_numbers() const {
  std::int64_t n = parameters_.flat_grads().numel();
  for (const int i : formed_) n += parameters_.shape(i).numel();
  return n;
}

void RankGradients::pack() {
  own_.resize(padded(whole_numbers(), dtype_));
  std::byte* to = own_.data();
  const auto copy = [&](const Tensor& t) {
    here(to, t).copy_from(t);
    to += t.bytes();
  };
  copy(parameters_.flat_grads());
  for (const int i : formed_) copy(parameters_.grad(i));
  for (const int i : factored_)
    for (const OuterSum* s = parameters_.gradient(i)->factors.sums; s; s = s->next) {
      const FactorHead head{job_.rank(),    i,       s->n1,         s->n2,          s->rows,
                            s->columns,     s->rank, s->left.first, s->left.second, s->right.first,
                            s->right.second};
      const std::size_t begin = own_.size(), width = size_of(dtype_);
      own_.resize(begin + sizeof head + padded(factor_numbers(*s), dtype_));
      std::memcpy(own_.data() + begin, &head, sizeof head);
      std::byte* at = own_.data() + begin + sizeof head;
      for (const auto& [side, n] : {std::pair(&s->left, left_length(*s)), std::pair(&s->right, right_length(*s))})
        for (std::int64_t b = 0; b < s->rank; ++b, at += static_cast<std::size_t>(n) * width)
          std::memcpy(at,
                      static_cast<const std::byte*>(side->data) + static_cast<std::size_t>(b * side->stride) * width,
                      static_cast<std::size_t>(n) * width);
    }
}

/// Numbers are added, factors come behind those that are there.
void RankGradients::add(const Bytes& other) {
  const std::int64_t n = whole_numbers();
  if (other.size() < padded(n, dtype_))
    throw RankError("[ranks] gradients of {} bytes where {} are due; all ranks train the same model", other.size(),
                    padded(n, dtype_));
  add_numbers(nullptr, dtype_, own_.data(), other.data(), n);
  own_.insert(own_.end(), other.begin() + static_cast<std::ptrdiff_t>(padded(n, dtype_)), other.end());
}

void RankGradients::unpack() {
  std::byte* from = own_.data();
  const auto copy = [&](const Tensor& t) {
    t.copy_from(here(from, t));
    from += t.bytes();
  };
  copy(parameters_.flat_grads());
  for (const int i : formed_) {
    copy(parameters_.grad(i));
    parameters_.gradient(i)->formed = true;
  }
  heads_.clear();
  for (std::size_t at = padded(whole_numbers(), dtype_); at < own_.size();) {
    heads_.push_back(at);
    at += sizeof(FactorHead) + padded(factor_numbers(sum_of(head_at(own_, at), dtype_)), dtype_);
  }
  // In the order of the ranks, whichever way they came.
  std::ranges::sort(heads_, {}, [&](std::size_t at) {
    const FactorHead head = head_at(own_, at);
    return std::tuple(head.parameter, head.rank_of_job, at);
  });
  sums_.clear();
  for (const std::size_t at : heads_) {
    OuterSum& sum = sums_.emplace_back(sum_of(head_at(own_, at), dtype_));
    const std::byte* numbers = own_.data() + at + sizeof(FactorHead);
    sum.left.stride = left_length(sum);
    sum.right.stride = right_length(sum);
    sum.left.data = numbers;
    sum.right.data = numbers + static_cast<std::size_t>(sum.rank * sum.left.stride) * size_of(dtype_);
  }
  for (const int i : factored_) parameters_.gradient(i)->factors.sums = nullptr;
  for (std::size_t s = sums_.size(); s-- > 0;) {
    OuterGradient& g = parameters_.gradient(static_cast<int>(head_at(own_, heads_[s]).parameter))->factors;
    sums_[s].next = g.sums;
    g.sums = &sums_[s];
  }
}

/// Messages of own_, to which those of others are added.
struct RankGradients::Packed {
  RankGradients& g;
  void send(int to) { g.job_.send_bytes(to, g.own_); }
  void take(int from) { g.job_.receive_bytes(from, g.own_); }
  void add(int from) {
    g.job_.receive_bytes(from, g.other_);
    g.add(g.other_);
  }
  void exchange_and_add(int with) {
    g.job_.exchange(with, g.own_, g.other_);
    g.add(g.other_);
  }
};

/// The same of the gradients where they are.
struct RankGradients::OnDevice {
  RankGradients& g;
  const Tensor own = g.parameters_.flat_grads();
  void send(int to) { g.link_->send(to, own.raw(), own.bytes()); }
  void take(int from) { g.link_->receive(from, own.raw(), own.bytes()); }
  void add(int from) {
    g.link_->receive(from, g.received_.raw(), own.bytes());
    add_received();
  }
  void exchange_and_add(int with) {
    g.link_->exchange(with, own.raw(), g.received_.raw(), own.bytes());
    add_received();
  }
  void add_received() { add_numbers(own.backend(), g.dtype_, own.raw(), g.received_.raw(), own.numel()); }
};

void RankGradients::add_up() {
  if (job_.size() == 1) return;
  if (link_) {
    OnDevice gradients{*this};
    double_over_ranks(job_, gradients);
    largest_ = gradients.own.bytes();
    return;
  }
  if (!chosen_) choose_forms();
  pack();
  Packed gradients{*this};
  double_over_ranks(job_, gradients);
  largest_ = own_.size();
  unpack();
}

}  // namespace weft
