package io.github.sparkmixtral.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Products of small matrices of bfloat16 by oneDNN 3 (its C interface, dnnl.h), a native library that is not part of this project: it
 * is used where the jar {@value #ARTIFACT} lies on the class path, and unpacked next to other temporary files until it is loaded.
 * Nothing here starts a thread; a call runs on the thread that makes it.
 */
final class OneDnn {

    /** What holds the library, in Maven's notation. */
    static final String ARTIFACT = "org.bytedeco:dnnl:3.13-1.5.14:linux-x86_64";

    /** The version whose constants are below: others count them differently. */
    private static final int MAJOR = 3;

    private static final int MINOR = 13;

    static final String DIRECTORY = "/org/bytedeco/dnnl/linux-x86_64/";
    static final String LIBRARY = "libdnnl.so.3";
    private static final String OPENMP = "libgomp.so.1";

    // Of dnnl_types.h and dnnl_common_types.h.
    private static final int CPU = 1;
    private static final int IN_ORDER = 1;
    private static final int SCRATCHPAD_OF_CALLER = 1;
    private static final int FLOAT = 3;
    private static final int BFLOAT16 = 2;
    private static final int ROW_MAJOR = 3;

    /** {@code BA16a32b2a}: what {@link PackedMatrix} calls a panel in bfloat16. */
    private static final int PANELS = 382;

    private static final int QUERY_IMPLEMENTATION = 8;
    private static final int QUERY_SCRATCHPAD = 136;
    private static final int SOURCE = 1;
    private static final int WEIGHTS = 33;
    private static final int DESTINATION = 17;
    private static final int SCRATCHPAD = 80;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final Object LOADED = load();

    private static final MethodHandle SET_THREADS = bind("omp_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT));
    private static final MethodHandle VERSION = bind("dnnl_version", FunctionDescriptor.of(ADDRESS));
    private static final MethodHandle ENGINE_CREATE = bind("dnnl_engine_create", ADDRESS, JAVA_INT, JAVA_LONG);
    private static final MethodHandle STREAM_CREATE = bind("dnnl_stream_create", ADDRESS, ADDRESS, JAVA_INT);
    private static final MethodHandle STREAM_DESTROY = bind("dnnl_stream_destroy", ADDRESS);
    private static final MethodHandle DESCRIPTION_CREATE =
            bind("dnnl_memory_desc_create_with_tag", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    private static final MethodHandle DESCRIPTION_SIZE =
            bind("dnnl_memory_desc_get_size", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
    private static final MethodHandle ATTRIBUTES_CREATE = bind("dnnl_primitive_attr_create", ADDRESS);
    private static final MethodHandle SET_SCRATCHPAD =
            bind("dnnl_primitive_attr_set_scratchpad_mode", ADDRESS, JAVA_INT);
    private static final MethodHandle MATMUL_CREATE =
            bind("dnnl_matmul_primitive_desc_create", ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    private static final MethodHandle QUERY = bind("dnnl_primitive_desc_query", ADDRESS, JAVA_INT, JAVA_INT, ADDRESS);
    private static final MethodHandle QUERY_DESCRIPTION =
            bind("dnnl_primitive_desc_query_md", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT, JAVA_INT));
    private static final MethodHandle PRIMITIVE_CREATE = bind("dnnl_primitive_create", ADDRESS, ADDRESS);
    private static final MethodHandle MEMORY_CREATE = bind("dnnl_memory_create", ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    private static final MethodHandle MEMORY_DESTROY = bind("dnnl_memory_destroy", ADDRESS);
    /** Addresses of calls that are made all the time are numbers: segments would be checked and kept open, each time. */
    private static final MethodHandle SET_DATA = bind("dnnl_memory_set_data_handle", JAVA_LONG, JAVA_LONG);

    private static final MethodHandle EXECUTE =
            bind("dnnl_primitive_execute", JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG);

    private static final MemorySegment ENGINE = LOADED instanceof SymbolLookup ? engine() : null;
    private static final Map<Shape, Matmul> MATMULS = new ConcurrentHashMap<>();

    private OneDnn() {}

    /** Loads the library, once. Returns the symbols, or as a String why that failed: an error here would be reported only once. */
    private static Object load() {
        try {
            Path directory = Files.createTempDirectory("spark-mixtral-onednn");
            try {
                unpack(OPENMP, directory);
                unpack(LIBRARY, directory);
                return SymbolLookup.libraryLookup(directory.resolve(LIBRARY), Arena.global());
            } finally {
                Files.deleteIfExists(directory.resolve(OPENMP));
                Files.deleteIfExists(directory.resolve(LIBRARY));
                Files.delete(directory);
            }
        } catch (IOException | IllegalArgumentException e) {
            return "oneDNN cannot be loaded from the temporary directory " + System.getProperty("java.io.tmpdir") + " ("
                    + e.getMessage() + "); set java.io.tmpdir to one with 100 MB free, from which programs may run";
        } catch (IllegalCallerException e) {
            return "it needs the JVM option --enable-native-access=ALL-UNNAMED";
        }
    }

    private static void unpack(String name, Path directory) throws IOException {
        try (InputStream in = OneDnn.class.getResourceAsStream(DIRECTORY + name)) {
            if (in == null) {
                throw new IOException(ARTIFACT + " holds no " + name);
            }
            Files.copy(in, directory.resolve(name));
        }
    }

    private static MethodHandle bind(String function, MemoryLayout... parameters) {
        return bind(function, FunctionDescriptor.of(JAVA_INT, parameters));
    }

    private static MethodHandle bind(String function, FunctionDescriptor type) {
        return LOADED instanceof SymbolLookup symbols
                ? LINKER.downcallHandle(symbols.findOrThrow(function), type)
                : null;
    }

    /**
     * Loads the library if that has not happened yet.
     *
     * @throws IllegalStateException with the reason where it cannot be loaded, is of another version, or has no fast product of
     *     bfloat16 here
     */
    static void require() {
        if (LOADED instanceof String reason) {
            throw new IllegalStateException(reason);
        }
        MemorySegment version = version();
        int major = version.getAtIndex(JAVA_INT, 0);
        int minor = version.getAtIndex(JAVA_INT, 1);
        if (major != MAJOR || minor != MINOR) {
            throw new IllegalStateException("the oneDNN on the class path has version " + major + "." + minor + ", not "
                    + MAJOR + "." + MINOR + ": take " + ARTIFACT);
        }
        Matmul matmul = matmul(new Shape(1, PackedMatrix.BFLOAT16_COLUMNS));
        if (!matmul.implementation.startsWith("brg")) {
            throw new IllegalStateException(
                    "oneDNN has no fast product of bfloat16 for this processor (" + matmul.implementation + ")");
        }
    }

    /**
     * The shape of a product {@code [rows, columns] x [columns, PackedMatrix.BFLOAT16_WIDTH]}.
     *
     * @param columns a multiple of {@link PackedMatrix#BFLOAT16_COLUMNS}
     */
    record Shape(int rows, int columns) {}

    /** The compiled product of a shape; never freed, for there are few. */
    private record Matmul(
            String implementation,
            MemorySegment primitive,
            MemorySegment source,
            MemorySegment weights,
            MemorySegment destination,
            MemorySegment scratchpad) {}

    private static Matmul matmul(Shape shape) {
        return MATMULS.computeIfAbsent(shape, OneDnn::compile);
    }

    private static Matmul compile(Shape shape) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            int width = PackedMatrix.BFLOAT16_WIDTH;
            MemorySegment source = description(shape.rows(), shape.columns(), BFLOAT16, ROW_MAJOR);
            MemorySegment weights = description(shape.columns(), width, BFLOAT16, PANELS);
            MemorySegment destination = description(shape.rows(), width, FLOAT, ROW_MAJOR);
            check("dnnl_primitive_attr_create", (int) ATTRIBUTES_CREATE.invokeExact(out));
            MemorySegment attributes = out.get(ADDRESS, 0);
            check("dnnl_primitive_attr_set_scratchpad_mode", (int)
                    SET_SCRATCHPAD.invokeExact(attributes, SCRATCHPAD_OF_CALLER));
            check("dnnl_matmul_primitive_desc_create", (int) MATMUL_CREATE.invokeExact(
                    out, ENGINE, source, weights, MemorySegment.NULL, destination, attributes));
            MemorySegment described = out.get(ADDRESS, 0);
            check("dnnl_primitive_desc_query", (int) QUERY.invokeExact(described, QUERY_IMPLEMENTATION, 0, out));
            String implementation =
                    out.get(ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0);
            MemorySegment scratchpad = (MemorySegment) QUERY_DESCRIPTION.invokeExact(described, QUERY_SCRATCHPAD, 0);
            check("dnnl_primitive_create", (int) PRIMITIVE_CREATE.invokeExact(out, described));
            return new Matmul(implementation, out.get(ADDRESS, 0), source, weights, destination, scratchpad);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static MemorySegment description(long rows, long columns, int type, int layout) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            MemorySegment dimensions = arena.allocateFrom(JAVA_LONG, rows, columns);
            check("dnnl_memory_desc_create_with_tag", (int)
                    DESCRIPTION_CREATE.invokeExact(out, 2, dimensions, type, layout));
            return out.get(ADDRESS, 0);
        }
    }

    private static MemorySegment version() {
        try {
            return ((MemorySegment) VERSION.invokeExact()).reinterpret(2 * JAVA_INT.byteSize());
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static MemorySegment engine() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            check("dnnl_engine_create", (int) ENGINE_CREATE.invokeExact(out, CPU, 0L));
            return out.get(ADDRESS, 0);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static void check(String function, int status) {
        if (status != 0) {
            throw new IllegalStateException("oneDNN: " + function + " failed with status " + status);
        }
    }

    /** What a call of native code threw, none of which is a checked exception. */
    private static RuntimeException rethrown(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException exception ? exception : new IllegalStateException(e);
    }

    /** One thread's products of a shape: what the library wants to know for a call. Freed when it is not reachable any more. */
    static final class Product {

        private static final int ARGUMENTS = 4;
        private static final int ARGUMENT_BYTES = 16;

        private final Arena arena = Arena.ofAuto();
        private final MemorySegment arguments = arena.allocate(ARGUMENTS * ARGUMENT_BYTES, 8);
        private final long primitive;
        private final long stream;
        private final long source;
        private final long weights;
        private final long destination;

        /** To be made by the thread that will use it: the library's own threads are switched off for that one. */
        Product(Shape shape) {
            try {
                SET_THREADS.invokeExact(1);
                Matmul matmul = matmul(shape);
                primitive = matmul.primitive.address();
                MemorySegment out = arena.allocate(ADDRESS);
                check("dnnl_stream_create", (int) STREAM_CREATE.invokeExact(out, ENGINE, IN_ORDER));
                stream = owned(out.get(ADDRESS, 0), STREAM_DESTROY).address();
                source = argument(0, SOURCE, matmul.source, MemorySegment.NULL);
                weights = argument(1, WEIGHTS, matmul.weights, MemorySegment.NULL);
                destination = argument(2, DESTINATION, matmul.destination, MemorySegment.NULL);
                long scratch = (long) DESCRIPTION_SIZE.invokeExact(matmul.scratchpad);
                argument(3, SCRATCHPAD, matmul.scratchpad, arena.allocate(Math.max(scratch, 1), 64));
            } catch (Throwable e) {
                throw rethrown(e);
            }
        }

        private long argument(int index, int kind, MemorySegment description, MemorySegment data) throws Throwable {
            MemorySegment out = arena.allocate(ADDRESS);
            check("dnnl_memory_create", (int) MEMORY_CREATE.invokeExact(out, description, ENGINE, data));
            MemorySegment memory = owned(out.get(ADDRESS, 0), MEMORY_DESTROY);
            arguments.set(JAVA_INT, (long) index * ARGUMENT_BYTES, kind);
            arguments.set(ADDRESS, (long) index * ARGUMENT_BYTES + ADDRESS.byteSize(), memory);
            return memory.address();
        }

        private MemorySegment owned(MemorySegment handle, MethodHandle destroy) {
            return handle.reinterpret(arena, segment -> {
                try {
                    int _ = (int) destroy.invokeExact(segment);
                } catch (Throwable e) {
                    throw rethrown(e);
                }
            });
        }

        /**
         * {@code c = a * b}.
         *
         * @param a address of {@code [rows, columns]} bfloat16
         * @param b address of a panel of a {@link PackedMatrix} in bfloat16
         * @param c address of {@code [rows, PackedMatrix.BFLOAT16_WIDTH]} floats
         */
        void multiply(long a, long b, long c) {
            try {
                check("dnnl_memory_set_data_handle", (int) SET_DATA.invokeExact(source, a));
                check("dnnl_memory_set_data_handle", (int) SET_DATA.invokeExact(weights, b));
                check("dnnl_memory_set_data_handle", (int) SET_DATA.invokeExact(destination, c));
                check("dnnl_primitive_execute", (int)
                        EXECUTE.invokeExact(primitive, stream, ARGUMENTS, arguments.address()));
            } catch (Throwable e) {
                throw rethrown(e);
            }
        }
    }
}
