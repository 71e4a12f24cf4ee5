package io.github.sparkmixtral;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import org.junit.jupiter.api.Test;

/** Who may know whom. */
class ArchitectureTest {
    private static final String ROOT = "io.github.sparkmixtral";
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(ROOT);

    @Test
    void kernelsKnowNoSpark() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.spark..", "org.apache.hadoop..", "scala..", ROOT + ".job..")
                .check(CLASSES);
    }

    @Test
    void engineKnowsNoBackend() {
        noClasses()
                .that()
                .resideInAnyPackage(ROOT + ".engine..", ROOT + ".service..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(ROOT + ".cpu..", ROOT + ".tornado..")
                .check(CLASSES);
    }

    @Test
    void whatReadsModelsKnowsNothingOfWhatRunsThem() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        ROOT + ".model..",
                        ROOT + ".gguf..",
                        ROOT + ".safetensors..",
                        ROOT + ".tokenizer..",
                        ROOT + ".chat..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(ROOT + ".engine..", ROOT + ".service..", ROOT + ".cpu..")
                .check(CLASSES);
    }

    @Test
    void engineKnowsNoArrowAndNoJson() {
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".engine..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.arrow..", "com.fasterxml.jackson..", ROOT + ".service..")
                .check(CLASSES);
    }

    @Test
    void schedulerIsPure() {
        noClasses()
                .that()
                .haveFullyQualifiedName(ROOT + ".engine.Scheduler")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName(ROOT + ".engine.Backend")
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage("java.util.concurrent..", "java.time..")
                .orShould()
                .callMethod(System.class, "nanoTime")
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .check(CLASSES);
    }

    /** The readers of files and what they read, a {@code Model}, are one part: they share its types and its exception. */
    @Test
    void partsHaveNoCycles() {
        slices().assignedFrom(new SliceAssignment() {
                    @Override
                    public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
                        return switch (javaClass.getPackageName()) {
                            case ROOT + ".gguf", ROOT + ".safetensors", ROOT + ".model", ROOT + ".tokenizer" ->
                                SliceIdentifier.of("model files");
                            case String name when name.startsWith(ROOT) -> SliceIdentifier.of(name);
                            case String _ -> SliceIdentifier.ignore();
                        };
                    }

                    @Override
                    public String getDescription() {
                        return "parts";
                    }
                })
                .should()
                .beFreeOfCycles()
                .check(CLASSES);
    }
}
