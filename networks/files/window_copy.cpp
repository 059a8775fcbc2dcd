#include "weft/networks/files/window_copy.h"

#include <cstring>

#include "weft/core/error.h"
#include "weft/core/uninitialised.h"
#include "weft/networks/files/sum_basis.h"

namespace weft {
namespace {

template <class T>
void gather(std::span<const WindowAxis> axes, std::int64_t plus, const T* file, T* out) {
  const StridedRuns runs(axes);
  runs.each([&](std::int64_t from, std::int64_t to, std::int64_t length) {
    if (runs.stride() == 1 && plus == 0) {
      std::memcpy(out + to, file + from, static_cast<std::size_t>(length) * sizeof(T));
      return;
    }
    for (std::int64_t i = 0; i < length; ++i) out[to + i] = file[from + i * runs.stride()] + static_cast<T>(plus);
  });
}

template <class T>
void scatter(std::span<const WindowAxis> axes, std::int64_t plus, const T* in, T* file) {
  const StridedRuns runs(axes);
  runs.each([&](std::int64_t to, std::int64_t from, std::int64_t length) {
    for (std::int64_t i = 0; i < length; ++i) file[to + i * runs.stride()] = in[from + i] - static_cast<T>(plus);
  });
}

Tensor of_file(const FileEntry& file, const std::string& name, const FileNumbers& numbers) {
  const Tensor t = numbers(name);
  if (!t.defined()) throw FormatError("[architecture] the file has no tensor '{}'", name);
  if (t.shape() != file.shape)
    throw FormatError("[architecture] tensor '{}' is {}; the architecture has {}", name, t.shape().str(),
                      file.shape.str());
  if (t.dtype() != DType::f32 && t.dtype() != DType::f64)
    throw FormatError("[architecture] tensor '{}' is {}; allowed: float32, float64", name, weft::name(t.dtype()));
  return t;
}

/// The file's tensors that a window goes through, all of one dtype, and the window in one of them.
struct Pieces {
  std::vector<Tensor> files;
  std::span<const WindowAxis> axes;
  std::int64_t numel = 1;  ///< of the window in one of them

  Pieces(const FileSpace& space, const Window& window, const FileNumbers& numbers) {
    const FileEntry& file = space.files[static_cast<std::size_t>(window.file)];
    for (const std::string& name : file.names) {
      files.push_back(of_file(file, name, numbers));
      if (files.back().dtype() != files[0].dtype())
        throw FormatError("[architecture] tensor '{}' is {}, and '{}' is {}; allowed: one dtype", name,
                          weft::name(files.back().dtype()), file.names[0], weft::name(files[0].dtype()));
    }
    axes = std::span(window.axes).subspan(file.indexed ? 1 : 0);
    for (const WindowAxis& axis : axes) numel *= axis.size;
  }
};

/// Calls use(name, the file's numbers, what each of them is) for tensors that have no window.
template <class Use>
void for_constants(const FileEntry& file, const FileNumbers& numbers, const Use& use) {
  if (!file.constant) return;
  for (const std::string& name : file.names) {
    const Tensor t = of_file(file, name, numbers);
    with_float(t.dtype(), "architecture",
               [&]<class T>(T) { use(name, t.span<T>(), static_cast<double>(*file.constant - file.plus)); });
  }
}

/// Whether a window's numbers lie one behind the other, as a tensor's do.
bool dense(std::span<const WindowAxis> axes) {
  std::int64_t stride = 1;
  for (std::size_t k = axes.size(); k-- > 0; stride *= axes[k].size)
    if (axes[k].part != AxisPart::places || (axes[k].size != 1 && axes[k].stride != stride)) return false;
  return true;
}

}  // namespace

Tensor read_window(const FileSpace& files, int tensor, const FileNumbers& numbers) {
  const Window& window = files.windows[static_cast<std::size_t>(tensor)];
  const Pieces pieces(files, window, numbers);
  const std::int64_t plus = files.files[static_cast<std::size_t>(window.file)].plus;
  if (const Tensor& file = pieces.files[0]; pieces.files.size() == 1 && plus == 0 && dense(pieces.axes))
    return file.reshape({file.numel()})
        .slice(window.offset, window.offset + pieces.numel)
        .reshape(files.space.feature_shape(tensor, 1, 1));
  const Tensor out = uninitialised(files.space.feature_shape(tensor, 1, 1), pieces.files[0].dtype());
  with_float(out.dtype(), "architecture", [&]<class T>(T) {
    T* to = out.data<T>();
    const SumBasis basis(pieces.axes);
    std::vector<T> all(basis.changes() ? static_cast<std::size_t>(pieces.numel) : 0);
    for (std::size_t k = 0; k < pieces.files.size(); ++k) {
      const T* file = pieces.files[k].data<T>();
      if (!basis.changes()) {
        gather(pieces.axes, plus, file + window.offset, to);
      } else {
        gather(pieces.axes, plus, file + window.offset, all.data());
        basis.change(all.data());
        if (!basis.sums_are_zero(all.data()))
          throw FormatError(
              "[architecture] tensor '{}' has axes whose sums are not 0, as those of a folded network are; fold the "
              "network first",
              files.files[static_cast<std::size_t>(window.file)].names[k]);
        gather(basis.axes(), 0, all.data() + basis.offset(), to);
        for (std::int64_t i = 0; i < basis.numel(); ++i) to[i] = static_cast<T>(to[i] * basis.scale());
      }
      to += basis.numel();
    }
  });
  return out;
}

void write_window(const FileSpace& files, int tensor, const Tensor& weight, const FileNumbers& numbers) {
  const Window& window = files.windows[static_cast<std::size_t>(tensor)];
  const FileEntry& file = files.files[static_cast<std::size_t>(window.file)];
  const Pieces pieces(files, window, numbers);
  const Shape expected = files.space.feature_shape(tensor, 1, 1);
  const std::string& name = files.space.tensors()[static_cast<std::size_t>(tensor)].name;
  if (weight.shape() != expected || weight.dtype() != pieces.files[0].dtype())
    throw ShapeError("[architecture] weights of '{}' are {} {}; allowed: {} {}", name, weft::name(weight.dtype()),
                     weight.shape().str(), weft::name(pieces.files[0].dtype()), expected.str());
  with_float(weight.dtype(), "architecture", [&]<class T>(T) {
    const SumBasis basis(pieces.axes);
    std::vector<T> all(basis.changes() ? static_cast<std::size_t>(pieces.numel) : 0);
    const auto write = [&](const T* from, T* into) {
      if (!basis.changes()) return scatter(pieces.axes, file.plus, from, into + window.offset);
      if (basis.keeps()) {
        gather(pieces.axes, file.plus, into + window.offset, all.data());
        basis.change(all.data());
      }
      std::vector<T> own(from, from + basis.numel());
      for (T& x : own) x = static_cast<T>(x / basis.scale());
      scatter(basis.axes(), 0, own.data(), all.data() + basis.offset());
      basis.change(all.data());
      scatter(pieces.axes, file.plus, all.data(), into + window.offset);
    };
    const T* from = weight.data<T>();
    for (const Tensor& into : pieces.files) {
      write(from, into.data<T>());
      from += basis.numel();
    }
    for (const std::string& tie : file.ties)
      if (numbers(tie).defined()) write(weight.data<T>(), of_file(file, tie, numbers).data<T>());
  });
}

void check_entry(const FileEntry& file, const FileNumbers& numbers) {
  for (const std::string& tie : file.ties) {
    if (!numbers(tie).defined()) continue;
    const Tensor own = of_file(file, file.names[0], numbers), copy = of_file(file, tie, numbers);
    if (own.dtype() != copy.dtype() || std::memcmp(own.raw(), copy.raw(), own.bytes()) != 0)
      throw FormatError("[architecture] tensor '{}' is tied to '{}' and holds other numbers", tie, file.names[0]);
  }
  for_constants(file, numbers, [](const auto& name, auto all, double constant) {
    for (const auto x : all)
      if (static_cast<double>(x) != constant)
        throw FormatError(
            "[architecture] tensor '{}' holds {}, and {} in all places of a folded network; fold it first", name, x,
            constant);
  });
}

std::vector<Tensor> read_windows(const FileSpace& files, const FileNumbers& numbers) {
  for (const FileEntry& file : files.files) check_entry(file, numbers);
  std::vector<Tensor> out;
  for (int t = 0; t < static_cast<int>(files.windows.size()); ++t) out.push_back(read_window(files, t, numbers));
  return out;
}

void write_windows(const FileSpace& files, const std::vector<Tensor>& weights, const FileNumbers& numbers) {
  if (weights.size() != files.windows.size())
    throw ShapeError("[architecture] weights of {} tensors; the space has {}", weights.size(), files.windows.size());
  for (int t = 0; t < static_cast<int>(weights.size()); ++t)
    write_window(files, t, weights[static_cast<std::size_t>(t)], numbers);
  for (const FileEntry& file : files.files)
    for_constants(file, numbers, [](const auto&, auto all, double constant) {
      for (auto& x : all) x = static_cast<std::remove_reference_t<decltype(x)>>(constant);
    });
}

}  // namespace weft
