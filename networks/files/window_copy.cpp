#include "weft/networks/files/window_copy.h"

#include <cstring>

#include "weft/core/error.h"
#include "weft/core/uninitialised.h"

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

}  // namespace

Tensor read_window(const FileSpace& files, int tensor, const FileNumbers& numbers) {
  const Window& window = files.windows[static_cast<std::size_t>(tensor)];
  const Pieces pieces(files, window, numbers);
  const std::int64_t plus = files.files[static_cast<std::size_t>(window.file)].plus;
  const Tensor out = uninitialised(files.space.feature_shape(tensor, 1, 1), pieces.files[0].dtype());
  with_float(out.dtype(), "architecture", [&]<class T>(T) {
    T* to = out.data<T>();
    for (const Tensor& file : pieces.files) {
      gather(pieces.axes, plus, file.data<T>() + window.offset, to);
      to += pieces.numel;
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
    const T* from = weight.data<T>();
    for (const Tensor& into : pieces.files) {
      scatter(pieces.axes, file.plus, from, into.data<T>() + window.offset);
      from += pieces.numel;
    }
    for (const std::string& tie : file.ties)
      if (numbers(tie).defined())
        scatter(pieces.axes, file.plus, weight.data<T>(), of_file(file, tie, numbers).data<T>() + window.offset);
  });
}

void check_ties(const FileEntry& file, const FileNumbers& numbers) {
  for (const std::string& tie : file.ties) {
    if (!numbers(tie).defined()) continue;
    const Tensor own = of_file(file, file.names[0], numbers), copy = of_file(file, tie, numbers);
    if (own.dtype() != copy.dtype() || std::memcmp(own.raw(), copy.raw(), own.bytes()) != 0)
      throw FormatError("[architecture] tensor '{}' is tied to '{}' and holds other numbers", tie, file.names[0]);
  }
}

std::vector<Tensor> read_windows(const FileSpace& files, const FileNumbers& numbers) {
  for (const FileEntry& file : files.files) check_ties(file, numbers);
  std::vector<Tensor> out;
  for (int t = 0; t < static_cast<int>(files.windows.size()); ++t) out.push_back(read_window(files, t, numbers));
  return out;
}

void write_windows(const FileSpace& files, const std::vector<Tensor>& weights, const FileNumbers& numbers) {
  if (weights.size() != files.windows.size())
    throw ShapeError("[architecture] weights of {} tensors; the space has {}", weights.size(), files.windows.size());
  for (int t = 0; t < static_cast<int>(weights.size()); ++t)
    write_window(files, t, weights[static_cast<std::size_t>(t)], numbers);
}

}  // namespace weft
