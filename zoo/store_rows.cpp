#include "weft/zoo/store_rows.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft::zoo_format {
namespace {

[[noreturn]] void fail_read(const std::filesystem::path& path, const std::string& why) {
  throw ReadError("[zoo] {}: {}", in_quotes(path.native()), why);
}

}  // namespace

ShardRows::ShardRows(const std::filesystem::path& path, const SafeTensors& file, const Space& space)
    : path_(path), absolute_(std::filesystem::absolute(path)) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail_read(path, error_text(errno));
  device_ = info.st_dev;
  inode_ = info.st_ino;
  bytes_ = info.st_size;
  for (const SpaceTensor& tensor : space.tensors()) {
    const Shape& shape = file.shape(tensor.name);
    begins_.push_back(static_cast<std::int64_t>(file.offset(tensor.name)));
    sizes_.push_back(shape[0] ? shape.numel() / shape[0] : 0);
  }
}

ShardRows::Reading::Reading(const ShardRows& shard)
    : shard_(shard), file_(::open(shard.absolute_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat now {};
  if (!file_ || ::fstat(file_.get(), &now) != 0) fail_read(shard.path_, error_text(errno));
  if (now.st_dev != shard.device_ || now.st_ino != shard.inode_ || now.st_size != shard.bytes_)
    fail_read(shard.path_, "was replaced or cut since the zoo was opened; open it again");
}

void ShardRows::Reading::read(std::size_t t, std::int64_t first, std::int64_t count, float* to) const {
  const std::int64_t row = shard_.sizes_[t] * static_cast<std::int64_t>(sizeof(float));
  std::int64_t at = shard_.begins_[t] + first * row, left = count * row;
  for (auto* bytes = reinterpret_cast<std::byte*>(to); left > 0;) {
    const ssize_t got = ::pread(file_.get(), bytes, static_cast<std::size_t>(left), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_read(shard_.path_, error_text(errno));
    if (got == 0) fail_read(shard_.path_, "was cut while it was read");
    bytes += got;
    at += got;
    left -= got;
  }
}

void ShardRows::Reading::prefetch(std::int64_t first, std::int64_t count) const {
  for (std::size_t t = 0; t < shard_.begins_.size(); ++t) {
    const std::int64_t row = shard_.sizes_[t] * static_cast<std::int64_t>(sizeof(float));
    ::posix_fadvise(file_.get(), shard_.begins_[t] + first * row, count * row, POSIX_FADV_WILLNEED);
  }
}

}  // namespace weft::zoo_format
