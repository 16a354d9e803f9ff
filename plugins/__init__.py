"""Our own plugins: teachers, students, methods, task loader, executors, reporters."""
